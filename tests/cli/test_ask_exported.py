# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""`mvgpt ask` with an exported model."""

import json
import subprocess
import sys
from typing import get_args

import pytest
from typer.testing import CliRunner

from transformers_mvgpt.cli.main import app
from transformers_mvgpt.cli.model_options import PrecisionOption
from transformers_mvgpt.demo import CHECKPOINT, CLIP
from transformers_mvgpt.runtime.onnx_folder import PRECISIONS


QUESTION = "What shape is it?"
COMMAND = """
import atexit, json, sys
atexit.register(lambda: print(json.dumps([name for name in ("torch", "transformers", "PIL") if name in sys.modules])))
from mvgpt_command import main
main()
"""


def run_ask(model, *arguments):
    return CliRunner().invoke(app, ["ask", str(CLIP), QUESTION, "--model", str(model), *map(str, arguments)])


def test_the_command_loads_no_torch(exported_folder):
    folder = exported_folder("mobile_videogpt")
    command = [sys.executable, "-c", COMMAND, "ask", str(CLIP), QUESTION, "--model", str(folder), "--show-frames"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120)
    answer, modules = result.stdout.splitlines()
    assert (result.returncode, answer, json.loads(modules)) == (0, "triangle", [])
    frames = result.stderr.splitlines()
    assert len(frames) == 8 and all(line.startswith("frame ") for line in frames)
    # the same lines as with PyTorch, but for the last digits of scores
    expected = run_ask(CHECKPOINT, "--show-frames", "--device", "cpu").stderr.splitlines()
    assert [line.split("score")[0] for line in frames] == [line.split("score")[0] for line in expected[-8:]]


def test_options(exported_folder):
    folder = exported_folder("mobile_videogpt")
    result = run_ask(folder, "--precision", "int8", "--provider", "cpu", "--start-seconds", 1, "--max-new-tokens", 3)
    assert result.exit_code == 0, result.output
    assert result.stdout.strip()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--device", "cpu"], "Error: `--device` is for PyTorch, and '{}' is an exported model: use `--provider`."),
        (["--dtype", "float16"], "Error: `--dtype` is for PyTorch, and '{}' is an exported model: use `--precision`."),
        (["--sampling", "time"], "Error: `--sampling` is for PyTorch, and '{}' is an exported model: leave it out."),
        (
            ["--video-backend", "pyav"],
            "Error: `--video-backend` is for PyTorch, and '{}' is an exported model: leave it out.",
        ),
        (["--provider", "abacus"], "Error: The provider 'abacus' is not available here"),
        (["--limit", "max_pixels_per_frame=10"], "or raise `--limit max_pixels_per_frame=...`."),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_options_that_mean_nothing(exported_folder, arguments, message):
    folder = exported_folder("mobile_videogpt")
    result = run_ask(folder, *arguments)
    assert result.exit_code == 1 and result.stdout == ""
    assert message.format(folder) in result.stderr and result.stderr.count("\n") == 1


def test_every_precision_can_be_chosen():
    names, _ = get_args(get_args(PrecisionOption)[0])
    assert set(get_args(names)) == set(PRECISIONS)


def test_families_that_select_nothing(exported_folder):
    result = run_ask(exported_folder("tinyllava_video"), "--show-frames")
    assert result.stderr == (
        "Error: TinyLLaVA-Video selects no frames, it looks at all that it is given: leave `--show-frames` out.\n"
    )


@pytest.mark.parametrize("option", ["precision", "provider"])
def test_options_of_exported_models(option):
    result = run_ask(CHECKPOINT, f"--{option}", {"precision": "int8", "provider": "cpu"}[option])
    assert result.exit_code == 1
    assert f"Error: `--{option}` is for exported models, and '{CHECKPOINT}' is none: write one with" in result.stderr
