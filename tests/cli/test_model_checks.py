# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""A missing model is called a missing folder, by every command that takes one."""

import json
import shutil

import pytest
from typer.testing import CliRunner

from transformers_mvgpt.cli.main import app
from transformers_mvgpt.demo import CLIP


VIDEO = str(CLIP)
COMMANDS = [
    ["ask", VIDEO, "Why?", "--model", "{}"],
    ["bench", "{}"],
    ["caption", VIDEO, "--prompt", "Why?", "--out", "a.jsonl", "--model", "{}"],
    ["chat", VIDEO, "--model", "{}"],
    ["convert", "{}", "target"],
    ["evaluate", "{}", "questions.jsonl"],
    ["export-gguf", "{}", "a.gguf"],
    ["export-hub", "{}", "target"],
    ["export-onnx", "{}", "target"],
    ["frames", VIDEO, "--model", "{}"],
    ["serve", "{}"],
    ["web", "--model", "{}"],
    ["assemble", "target", "--language-model", "{}"],
    ["train", "video_projector_0.5b", "model={}", "data=samples.jsonl", "output=trained"],
]


@pytest.fixture(autouse=True)
def in_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    shutil.copy(CLIP, "clip.mp4")
    conversation = [{"from": "human", "value": "<video>\nWhy?"}, {"from": "gpt", "value": "So."}]
    for name, row in (
        ("questions", {"video": "clip.mp4", "question": "Why?", "answer": "So."}),
        ("samples", {"id": "0", "video": "clip.mp4", "conversations": conversation}),
    ):
        (tmp_path / f"{name}.jsonl").write_text(json.dumps(row) + "\n")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


def last_line(command: list[str], model: str) -> str:
    result = CliRunner().invoke(app, [argument.format(model) for argument in command])
    assert (result.exit_code, result.stdout) == (1, "")
    assert "Traceback" not in result.stderr
    return result.stderr.splitlines()[-1]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_missing_models(command):
    for model in ("./missing", "missing/", "owner/name"):
        assert last_line(command, model).startswith(f"Error: There is no model folder '{model}'")
    assert last_line(command, "file").startswith("Error: 'file' is a file, and a model is a folder")


@pytest.mark.parametrize(
    "command",
    [
        command
        for command in COMMANDS
        if command[0] in ("ask", "bench", "caption", "chat", "evaluate", "frames", "serve", "web")
    ],
    ids=lambda command: command[0],
)
def test_a_folder_without_a_model(command):
    assert last_line(command, "empty").startswith("Error: The folder 'empty' holds no model: it has no config.json.")


@pytest.mark.parametrize(
    "command",
    [command for command in COMMANDS if command[0] in ("bench", "caption", "evaluate", "serve")],
    ids=lambda command: command[0],
)
def test_exported_models_where_they_are_not_taken(command, exported_folder):
    model = str(exported_folder("mobile_videogpt"))
    assert "is an exported model, which `mvgpt ask` and `mvgpt web` take" in last_line(command, model)
