# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The commands `mvgpt train` and `mvgpt merge`."""

import subprocess
import sys

import pytest
from transformers import AutoModelForImageTextToText
from typer.testing import CliRunner

from release_layout import make_release
from training_data import make_clips, tiny_recipe
from transformers_mvgpt.cli.main import app
from transformers_mvgpt.training.stop_signals import TrainingStopped


pytest.importorskip("peft")


def invoke(*arguments: object):
    return CliRunner().invoke(app, list(map(str, arguments)))


@pytest.fixture
def recipe(tmp_path):
    release, clips = make_release(tmp_path), make_clips(tmp_path / "clips", num_samples=4)
    path = tmp_path / "recipe.yaml"
    path.write_text(tiny_recipe("instruction", release, clips, tmp_path / "output", max_steps=4).to_yaml())
    return path


def test_train_and_merge(tmp_path, recipe):
    (tmp_path / "clips" / "1.mp4").write_bytes(b"no video")
    result = invoke("train", recipe, "on_unreadable=report", "batch_size=4", f"output={tmp_path / 'other'}")
    assert result.exit_code == 0, result.output
    assert result.stdout == f"Wrote {tmp_path / 'other'}\n"
    assert "4/4" in result.stderr and "it/s" in result.stderr and "loss=" in result.stderr
    assert f"4 problems with samples: see {tmp_path / 'other' / 'problems.jsonl'}\n" in result.stderr

    merged = tmp_path / "merged"
    result = invoke("merge", tmp_path / "other", merged, "--dtype", "bfloat16")
    assert result.exit_code == 0, result.output
    assert result.stdout == f"Wrote {merged}\n"
    assert f"Writing {merged}\n" in result.stderr
    assert str(AutoModelForImageTextToText.from_pretrained(merged).dtype) == "torch.bfloat16"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("learning_rat=1",), "has an unknown key `learning_rat`; the nearest known one is `learning_rate`."),
        (("data=nowhere.json",), "There is no data at nowhere.json."),
        (("model=/nowhere",), "There is no model folder '/nowhere'."),
        (("--limit", "max_pixels_per_frame=50"), "; at most 50 are taken."),
    ],
)
def test_errors_are_one_line(recipe, arguments, message):
    result = invoke("train", recipe, *arguments)
    assert result.exit_code == 1
    assert result.stdout == ""
    *_, error = result.stderr.splitlines()
    assert error.startswith("Error: ")
    assert message in error
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nosuchrecipe"], "Error: There is no recipe nosuchrecipe: give a YAML file, or one of those shipped: "),
        (
            ["instruction_0.5b", "data=a.json", "output=o", "max_steps=3"],
            "Set the other to null, as in `num_epochs=null`.",
        ),
    ],
)
def test_wrong_recipe_is_told_before_anything_is_loaded(arguments, message):
    script = (
        "import sys\nfrom mvgpt_command import main\n"
        "try:\n    main()\nfinally:\n    assert not {'torch', 'transformers'} & sys.modules.keys()"
    )
    command = [sys.executable, "-c", script, "train", *arguments]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    [error] = result.stderr.splitlines()
    assert message in error


def test_stopped_run_says_how_it_goes_on(recipe, monkeypatch):
    def stop(recipe, **kwargs):
        raise TrainingStopped("Stopped after step 2 of 4.", 15)

    monkeypatch.setattr("transformers_mvgpt.training.run", stop)
    result = invoke("train", recipe)
    assert result.exit_code == 143
    assert result.stderr.endswith("Stopped after step 2 of 4.\n")


def test_merge_of_no_adapter(tmp_path):
    result = invoke("merge", tmp_path, tmp_path / "merged")
    assert result.exit_code == 1
    assert f"Error: {tmp_path} has no adapter_config.json" in result.stderr
