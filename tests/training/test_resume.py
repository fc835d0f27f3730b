# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""A run that is killed goes on to the very same weights."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
import torch
from safetensors.torch import load_file
from transformers import TrainerCallback

from training_data import tiny_recipe
from transformers_mvgpt.training import run, training_run
from transformers_mvgpt.training.checkpoints import list_checkpoints
from transformers_mvgpt.training.stop_signals import TrainingStopped


NUM_STEPS = 14


def make_recipe(release, data, output, **values):
    """Epochs of 4 steps, dropout, and an evaluation that draws random numbers between the steps."""
    lora = {"r": 4, "alpha": 8, "dropout": 0.2}
    settings = {"max_steps": NUM_STEPS, "gradient_accumulation": 2, "save_steps": 3, "eval_data": str(data[1])}
    settings |= {"eval_steps": 5, "lora": lora, "num_workers": 1}
    return tiny_recipe("instruction", release, data, output, **{**settings, **values})


def losses(output):
    records = map(json.loads, (output / "loss.jsonl").read_text().splitlines())
    return [(record["step"], record["loss"]) for record in records if "loss" in record]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory, release, clips, images):
    return run(make_recipe(release, [clips, images], tmp_path_factory.mktemp("uninterrupted") / "output"))


def assert_same_model(output, expected):
    weights, others = (load_file(folder / "adapter_model.safetensors") for folder in (output, expected))
    assert weights.keys() == others.keys()
    assert [name for name in weights if not torch.equal(weights[name], others[name])] == []
    assert losses(output) == losses(expected)
    assert [step for step, _ in losses(output)] == list(range(1, NUM_STEPS + 1))


def test_killed_run_goes_on(tmp_path, release, clips, images, uninterrupted):
    output = tmp_path / "output"
    recipe = make_recipe(release, [clips, images], output)
    file = tmp_path / "recipe.yaml"
    file.write_text(recipe.to_yaml())
    script = "from mvgpt_command import main; main()"
    # a group of its own, so that the workers are killed too
    process = subprocess.Popen(
        [sys.executable, "-c", script, "train", str(file)], start_new_session=True, stderr=subprocess.PIPE
    )
    try:
        while not list_checkpoints(output / "checkpoints")[0]:
            assert process.poll() is None, process.stderr.read().decode()[-3000:]
            time.sleep(0.005)
    finally:
        os.killpg(process.pid, 9)
        process.communicate()
    whole, _ = list_checkpoints(output / "checkpoints")
    assert whole and whole[-1].name != f"checkpoint-{NUM_STEPS}"
    assert not (output / "adapter_config.json").exists()

    # killed while it wrote the next one
    half_written = output / "checkpoints" / f"checkpoint-{NUM_STEPS - 1}"
    shutil.copytree(whole[-1], half_written)
    state = (half_written / "trainer_state.json").read_text()
    (half_written / "trainer_state.json").write_text(state[: len(state) // 2])
    assert run(recipe) == output
    assert not half_written.exists()
    assert_same_model(output, uninterrupted)


def test_goes_on_at_the_end_of_an_epoch(tmp_path, release, clips, images, uninterrupted):
    output = tmp_path / "output"
    recipe = make_recipe(release, [clips, images], output, save_steps=4)

    class Stop(Exception):
        pass

    class StopAfter(TrainerCallback):
        def on_step_begin(self, args, state, control, **kwargs):
            if state.global_step == 5:
                raise Stop

    with pytest.raises(Stop):
        run(recipe, callbacks=[StopAfter()])
    assert [path.name for path in list_checkpoints(output / "checkpoints")[0]] == ["checkpoint-4"]
    run(recipe)
    assert_same_model(output, uninterrupted)


class SendSignal(TrainerCallback):
    """Sends a signal to this process at an event, once, before the step after `step`."""

    def __init__(self, event, number=signal.SIGINT, step=5):
        self.number, self.step, self.is_sent = number, step, False
        setattr(self, event, self._send)

    def _send(self, args, state, control, **kwargs):
        if state.global_step >= self.step and not self.is_sent:
            self.is_sent = True
            os.kill(os.getpid(), self.number)


@pytest.mark.parametrize(
    ("event", "number", "stops_after"),
    [
        ("on_substep_end", signal.SIGINT, 6),
        pytest.param("on_step_begin", signal.SIGTERM, 6, marks=pytest.mark.slow),
        ("on_prediction_step", signal.SIGINT, 5),
        pytest.param("on_save", signal.SIGINT, 7, marks=pytest.mark.slow),
    ],
    ids=["within a step", "SIGTERM", "evaluation", "checkpoint"],
)
def test_stopped_run_goes_on(tmp_path, release, clips, images, uninterrupted, event, number, stops_after, capfd):
    output = tmp_path / "output"
    recipe = make_recipe(release, [clips, images], output)
    before = signal.getsignal(number)
    with pytest.raises(TrainingStopped) as stopped:
        run(recipe, callbacks=[SendSignal(event, number)])
    checkpoint = output / "checkpoints" / f"checkpoint-{stops_after}"
    assert stopped.value.signal_number == number
    assert str(stopped.value) == (
        f"Stopped after step {stops_after} of {NUM_STEPS}. The same command again goes on from {checkpoint}."
    )
    assert list_checkpoints(output / "checkpoints")[0][-1] == checkpoint
    assert signal.getsignal(number) is before
    assert "again to end at once" in capfd.readouterr().err
    assert run(recipe) == output
    assert_same_model(output, uninterrupted)


def test_signal_whose_exception_is_lost(tmp_path, release, images):
    """Python prints and forgets what is raised in a finalizer."""

    class Finalized:
        def __del__(self):
            os.kill(os.getpid(), signal.SIGINT)

    class Finalize(TrainerCallback):
        def on_step_begin(self, args, state, control, **kwargs):
            if state.global_step == 1:
                Finalized()

    with pytest.raises(TrainingStopped, match="Stopped after step 2 of 6. The same command"):
        run(tiny_recipe("image_projector", release, images, tmp_path / "output"), callbacks=[Finalize()])


def test_signal_before_the_first_step(tmp_path, release, images, monkeypatch):
    """Nothing is claimed by then."""
    load_model = training_run.load_model

    def load(*args, **kwargs):
        os.kill(os.getpid(), signal.SIGINT)
        return load_model(*args, **kwargs)

    monkeypatch.setattr(training_run, "load_model", load)
    with pytest.raises(TrainingStopped, match="Stopped before the first step, so that there is no checkpoint."):
        run(tiny_recipe("image_projector", release, images, tmp_path / "output"))
    assert not (tmp_path / "output").exists()


def test_command_is_stopped_by_ctrl_c(tmp_path, release, clips):
    """A process of its own whose workers get the signal too, as in a terminal."""
    output = tmp_path / "output"
    recipe = tiny_recipe("instruction", release, clips, output, num_workers=2, max_steps=100_000)
    file = tmp_path / "recipe.yaml"
    file.write_text(recipe.to_yaml())
    script = "from mvgpt_command import main; main()"
    process = subprocess.Popen(
        [sys.executable, "-c", script, "train", str(file)], start_new_session=True, stderr=subprocess.PIPE
    )
    try:
        while not (output / "loss.jsonl").exists() or len(losses(output)) < 2:
            assert process.poll() is None, process.stderr.read().decode()[-3000:]
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGINT)
        errors = process.communicate(timeout=60)[1].decode()
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 130
    [checkpoint], _ = list_checkpoints(output / "checkpoints")
    assert errors.rstrip().endswith(f"The same command again goes on from {checkpoint}.")
    assert "Traceback" not in errors


@pytest.mark.slow
def test_second_ctrl_c_ends_at_once():
    script = (
        "import time\n"
        "from transformers_mvgpt.training.stop_signals import StopSignals\n"
        "with StopSignals() as signals:\n"
        "    signals._is_training = True\n"
        "    print('ready', flush=True)\n"
        "    while signals.received is None: time.sleep(0.01)\n"
        "    print('again', flush=True)\n"
        "    time.sleep(60)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    try:
        for line in ("ready", "again"):
            assert process.stdout.readline().strip() == line
            process.send_signal(signal.SIGINT)
        assert process.wait(timeout=10) == -signal.SIGINT
    finally:
        process.kill()
        process.communicate()


def test_finished_run_is_left_as_it_is(uninterrupted, release, clips, images):
    before = {path: path.stat().st_mtime_ns for path in uninterrupted.rglob("*") if path.name != "recipe.yaml"}
    assert run(make_recipe(release, [clips, images], uninterrupted)) == uninterrupted
    after = {path: path.stat().st_mtime_ns for path in uninterrupted.rglob("*") if path.name != "recipe.yaml"}
    assert after == before


def test_adapter_shows_no_path_of_this_machine_to_others(uninterrupted):
    """peft would write a card that names the base model's folder."""
    assert not (uninterrupted / "README.md").exists()


def test_another_recipe_is_refused(uninterrupted, release, clips, images):
    recipe = make_recipe(release, [clips, images], uninterrupted, learning_rate=0.5)
    message = (
        r"belongs to a run with another recipe \(`learning_rate` was 0.01, now 0.5; 1 keys differ\): choose another"
    )
    with pytest.raises(FileExistsError, match=message):
        run(recipe)


def test_what_weights_do_not_depend_on_may_differ(uninterrupted, release, clips, images):
    recipe = make_recipe(release, [clips, images], uninterrupted, num_workers=0, save_steps=100, logging_steps=7)
    assert run(recipe) == uninterrupted


@pytest.mark.parametrize("name", ["file", "folder"])
def test_output_of_something_else_is_refused(tmp_path, release, clips, name):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "photo.jpg").touch()
    (tmp_path / "file").touch()
    with pytest.raises(
        FileExistsError, match=f"{name} is there already and is not the output of a run: choose another"
    ):
        run(make_recipe(release, [clips, clips], tmp_path / name))
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["file", "folder", "photo.jpg"]
