# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Packages of extras, and devices, are asked for before a model is loaded or anything measured."""

import sys

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from transformers_mvgpt.cli.main import app
from transformers_mvgpt.demo import CHECKPOINT, CLIP
from transformers_mvgpt.video import video_decoding


MODEL, VIDEO = str(CHECKPOINT), str(CLIP)


@pytest.fixture(autouse=True)
def no_model_is_loaded(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("transformers.PreTrainedModel.from_pretrained", None)


def last_line(*arguments: str) -> str:
    result = CliRunner().invoke(app, arguments)
    assert (result.exit_code, result.stdout) == (1, "")
    return result.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("package", "arguments", "what", "extra"),
    [
        ("matplotlib", ["bench", "0.5b", "--out", "a.json"], "The picture of `--out`", "plots"),
        ("matplotlib", ["frames", VIDEO, "-o", "a.png"], "A picture of frames", "plots"),
        ("peft", ["merge", "adapter", "merged"], "Merging an adapter", "train"),
        ("onnxscript", ["export-onnx", MODEL, "exported"], "Exporting to ONNX", "onnx"),
        ("gguf", ["export-gguf", MODEL, "a.gguf"], "Writing a GGUF file", "gguf"),
        ("ray", ["caption", VIDEO, "-m", MODEL, "--out", "a.jsonl", "--ray", "local"], "`--ray`", "ray"),
        ("uvicorn", ["serve", MODEL], "`mvgpt serve`", "serve"),
        ("gradio", ["web"], "`mvgpt web`", "web"),
        ("accelerate", ["train", "video_projector_0.5b", "output=a", "data=b", "model=c"], "Training", "train"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_extras(monkeypatch, package, arguments, what, extra):
    monkeypatch.setitem(sys.modules, package, None)
    assert last_line(*arguments) == f"Error: {what} needs {package}: pip install 'transformers-mvgpt[{extra}]'."


@pytest.mark.parametrize(
    "arguments",
    [["ask", VIDEO, "Why?"], ["caption", VIDEO, "--prompt", "Why?", "-m", MODEL, "--out", "a.jsonl"], ["chat", VIDEO]],
    ids=lambda arguments: arguments[0],
)
def test_decoders(monkeypatch, arguments):
    decoder = video_decoding._BACKENDS["decord"]._replace(module="no_such_module")
    monkeypatch.setitem(video_decoding._BACKENDS, "decord", decoder)
    line = last_line(*arguments, "--video-backend", "decord")
    assert line.startswith(
        "Error: The video backend 'decord' cannot be used: No module named 'no_such_module'. Install"
    )


WITH_DEVICE = [
    ["ask", VIDEO, "Why?"],
    ["bench", "0.5b"],
    ["bench", MODEL],
    ["caption", VIDEO, "--prompt", "Why?", "-m", MODEL, "--out", "a.jsonl"],
    ["chat", VIDEO],
    ["evaluate", MODEL, "questions.jsonl"],
    ["frames", VIDEO],
    ["live", VIDEO],
    ["serve", MODEL],
    ["web"],
]


@pytest.mark.parametrize("arguments", WITH_DEVICE, ids=lambda arguments: arguments[0])
def test_devices(arguments):
    for device in ("cuda:99", "nonsense", "meta"):
        assert last_line(*arguments, "--device", device).startswith(
            f"Error: `--device {device}` cannot be used here ("
        )


def test_all_commands_with_a_device_are_tested():
    commands = get_command(app).commands.items()
    with_device = {name for name, command in commands if any(option.name == "device" for option in command.params)}
    assert with_device == {arguments[0] for arguments in WITH_DEVICE}
