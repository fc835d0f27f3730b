# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Two processes of `accelerate launch`, which talk to each other through gloo, and one."""

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file

from tiny_families import write_mobilevlm, write_tinyllava
from training_data import Recorder, tiny_recipe
from transformers_mvgpt.training import run
from transformers_mvgpt.training.checkpoints import list_checkpoints
from transformers_mvgpt.training.recipe import SHIPPED_RECIPES


# peft asks for it under its old name
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")

SCRIPT = Path(__file__).with_name("recorded_run.py")
CONFIGS = SHIPPED_RECIPES / "accelerate"
LORA = {"r": 4, "alpha": 8, "dropout": 0.0}


def launch(*arguments: str, config: Path = CONFIGS / "cpu.yaml") -> subprocess.CompletedProcess:
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    command = (
        "-m",
        "accelerate.commands.launch",
        f"--config_file={config}",
        f"--main_process_port={port}",
        *arguments,
    )
    return subprocess.run([sys.executable, *command], capture_output=True, text=True)


def assert_same_step(file: Path, recorder: Recorder) -> None:
    """The first step of the processes that wrote the file was that of the one process."""
    processes = torch.load(file, weights_only=True)
    assert processes["loss"] == pytest.approx(recorder.losses[0], rel=1e-5)
    gradients = {name.removeprefix("module."): gradient for name, gradient in processes["gradients"].items()}
    assert gradients.keys() >= recorder.gradients.keys()
    for name, gradient in gradients.items():
        expected = recorder.gradients.get(name, torch.zeros_like(gradient))
        torch.testing.assert_close(gradient, expected, rtol=1e-4, atol=1e-6, msg=name)


@pytest.mark.parametrize(
    "checkpointing",
    [pytest.param(False, id="plain"), pytest.param(True, id="gradient checkpointing", marks=pytest.mark.slow)],
)
def test_two_processes_are_one_with_the_double_batch(tmp_path, release, clips, images, checkpointing):
    values = {"max_steps": 2, "gradient_accumulation": 2, "gradient_checkpointing": checkpointing}
    values["trainer"] = {"use_cpu": True, "max_grad_norm": 0}

    def recipe(name, batch_size):
        return tiny_recipe("instruction", release, [clips, images], tmp_path / name, batch_size=batch_size, **values)

    recorder = Recorder()
    run(recipe("one", 4), callbacks=[recorder])
    file = tmp_path / "recipe.yaml"
    file.write_text(recipe("two", 2).to_yaml())
    result = launch(str(SCRIPT), str(file), str(tmp_path / "two.pt"))
    assert result.returncode == 0, result.stderr[-3000:]

    assert_same_step(tmp_path / "two.pt", recorder)
    for name in ("adapter_model.safetensors", "processor_config.json", "loss.png"):
        assert (tmp_path / "two" / name).is_file()


@pytest.mark.slow
def test_killed_run_of_two_processes_goes_on(tmp_path, release, clips, images):
    """Epochs of 2 steps, with dropout that each process draws for itself."""
    values = {
        "max_steps": 7,
        "gradient_accumulation": 2,
        "lora": {"r": 4, "alpha": 8, "dropout": 0.2},
        "save_steps": 3,
    }

    def start(name, *killed_before):
        file = tmp_path / f"{name}.yaml"
        file.write_text(tiny_recipe("instruction", release, [clips, images], tmp_path / name, **values).to_yaml())
        return launch(str(SCRIPT), str(file), str(tmp_path / f"{name}.pt"), *killed_before)

    uninterrupted = start("uninterrupted")
    assert uninterrupted.returncode == 0, uninterrupted.stderr[-3000:]
    assert start("killed", "5").returncode != 0
    whole, _ = list_checkpoints(tmp_path / "killed" / "checkpoints")
    assert [path.name for path in whole] == ["checkpoint-3"]
    assert not (tmp_path / "killed" / "adapter_config.json").exists()
    again = start("killed")
    assert again.returncode == 0, again.stderr[-3000:]

    weights, expected = (
        load_file(tmp_path / name / "adapter_model.safetensors") for name in ("killed", "uninterrupted")
    )
    assert weights.keys() == expected.keys()
    assert [name for name in weights if not torch.equal(weights[name], expected[name])] == []
    losses, expected = (
        [record.get("loss") for record in map(json.loads, (tmp_path / name / "loss.jsonl").read_text().splitlines())]
        for name in ("killed", "uninterrupted")
    )
    assert losses == expected


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "lora"),
    [("fsdp", None), ("fsdp", LORA), ("fsdp_mobilevlm", None), ("fsdp_tinyllava-video", LORA)],
    ids=["full", "lora", "mobilevlm", "tinyllava"],
)
def test_sharded_model_learns_as_a_whole_one(tmp_path, release, clips, images, name, lora):
    model, data = {
        "fsdp": lambda: (release, [clips, images]),
        "fsdp_mobilevlm": lambda: (write_mobilevlm(tmp_path / "model"), images),
        "fsdp_tinyllava-video": lambda: (write_tinyllava(tmp_path / "model"), clips),
    }[name]()
    config = yaml.safe_load((CONFIGS / f"{name}.yaml").read_text())
    (tmp_path / "fsdp.yaml").write_text(
        yaml.safe_dump({**config, "use_cpu": True, "num_processes": 2, "mixed_precision": "no"})
    )
    values = {"max_steps": 2, "gradient_accumulation": 2, "lora": lora, "save_steps": 1}
    values["trainer"] = {"use_cpu": True, "max_grad_norm": 0}

    def recipe(name, batch_size):
        return tiny_recipe("instruction", model, data, tmp_path / name, batch_size=batch_size, **values)

    recorder = Recorder()
    run(recipe("one", 4), callbacks=[recorder])
    file = tmp_path / "recipe.yaml"
    file.write_text(recipe("two", 2).to_yaml())
    result = launch(str(SCRIPT), str(file), str(tmp_path / "two.pt"), config=tmp_path / "fsdp.yaml")
    assert result.returncode == 0, result.stderr[-3000:]
    assert_same_step(tmp_path / "two.pt", recorder)
    name = "model.safetensors" if lora is None else "adapter_model.safetensors"
    weights, expected = (load_file(tmp_path / folder / name) for folder in ("two", "one"))
    assert {name: tensor.shape for name, tensor in weights.items()} == {
        name: tensor.shape for name, tensor in expected.items()
    }


@pytest.mark.slow
@pytest.mark.parametrize("stage", [2, 3])
def test_deepspeed_learns_the_same(tmp_path, release, clips, images, stage, monkeypatch):
    """On the CPU, where DeepSpeed compiles what its processes talk through."""
    pytest.importorskip("deepspeed")
    monkeypatch.setenv("DS_ACCELERATOR", "cpu")
    config = yaml.safe_load((CONFIGS / f"deepspeed_zero{stage}.yaml").read_text())
    (tmp_path / "deepspeed.yaml").write_text(yaml.safe_dump({**config, "num_processes": 2, "mixed_precision": "no"}))
    values = {
        "max_steps": 2,
        "gradient_accumulation": 2,
        "lora": None,
        "save_steps": 1,
        "trainer": {"max_grad_norm": 0},
    }

    def recipe(name, batch_size):
        return tiny_recipe("instruction", release, [clips, images], tmp_path / name, batch_size=batch_size, **values)

    run(recipe("one", 4))
    file = tmp_path / "recipe.yaml"
    file.write_text(recipe("two", 2).to_yaml())
    mvgpt = Path(sys.executable).with_name("mvgpt")
    result = launch("--no_python", str(mvgpt), "train", str(file), config=tmp_path / "deepspeed.yaml")
    assert result.returncode == 0, result.stderr[-3000:]

    def steps(name):
        records = map(json.loads, (tmp_path / name / "loss.jsonl").read_text().splitlines())
        return [(record["loss"], record["grad_norm"]) for record in records if "loss" in record]

    assert len(steps("one")) == 2
    assert [value for step in steps("two") for value in step] == pytest.approx(
        [value for step in steps("one") for value in step], rel=1e-4
    )
    weights, expected = (load_file(tmp_path / name / "model.safetensors") for name in ("two", "one"))
    assert weights.keys() == expected.keys()
    for name, tensor in weights.items():
        # without a gradient, a weight stays where it is; with one of zeros, Adam moves it as before
        if ".video_projector." not in name:
            torch.testing.assert_close(tensor, expected[name], rtol=0, atol=1e-5, msg=name)
