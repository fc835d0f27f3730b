# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""A run that is killed goes on to the very same weights."""

import json
import os
import shutil
import subprocess
import sys
import time

import pytest
import torch
from safetensors.torch import load_file

from training_data import tiny_recipe
from transformers_mvgpt.training import run
from transformers_mvgpt.training.checkpoints import list_checkpoints


# peft asks for it under its old name
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")

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

    from transformers import TrainerCallback

    class StopAfter(TrainerCallback):
        def on_step_begin(self, args, state, control, **kwargs):
            if state.global_step == 5:
                raise Stop

    with pytest.raises(Stop):
        run(recipe, callbacks=[StopAfter()])
    assert [path.name for path in list_checkpoints(output / "checkpoints")[0]] == ["checkpoint-4"]
    run(recipe)
    assert_same_model(output, uninterrupted)


def test_finished_run_is_left_as_it_is(uninterrupted, release, clips, images):
    before = {path: path.stat().st_mtime_ns for path in uninterrupted.rglob("*") if path.name != "recipe.yaml"}
    assert run(make_recipe(release, [clips, images], uninterrupted)) == uninterrupted
    after = {path: path.stat().st_mtime_ns for path in uninterrupted.rglob("*") if path.name != "recipe.yaml"}
    assert after == before


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
