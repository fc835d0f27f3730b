# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The command `mvgpt export-gguf`."""

from typer.testing import CliRunner

from transformers_mvgpt.cli.main import app
from transformers_mvgpt.demo import CHECKPOINT
from transformers_mvgpt.runtime.gguf_header import read_gguf_header


def run(*arguments: object):
    return CliRunner().invoke(app, ["export-gguf", *map(str, arguments)])


def test_one_file(tmp_path):
    result = run(CHECKPOINT, tmp_path / "chat.gguf")
    assert result.exit_code == 0, result.output
    assert result.stdout == f"Wrote {tmp_path / 'chat.gguf'}\n"
    assert f"Loading {CHECKPOINT}\n" in result.stderr
    assert f"Writing {tmp_path / 'chat.gguf'}: 100%" in result.stderr
    assert read_gguf_header(tmp_path / "chat.gguf").tensors["blk.0.ffn_up.weight"].type == "Q8_0"


def test_one_file_of_each_type(tmp_path):
    result = run(CHECKPOINT, tmp_path / "chat.gguf", "--type", "q4_0, f16")
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines() == [f"Wrote {tmp_path / name}" for name in ("chat-q4_0.gguf", "chat-f16.gguf")]


def test_errors_are_one_line(tmp_path):
    result = run(CHECKPOINT, tmp_path / "chat.gguf", "--type", "q3")
    assert result.exit_code == 1
    assert result.stderr == "Error: `type` ('q3') must be one of f16, q8_0, q4_0.\n"
    run(CHECKPOINT, tmp_path / "chat.gguf")
    result = run(CHECKPOINT, tmp_path / "chat.gguf")
    assert result.exit_code == 1
    assert result.stderr == (
        f"Error: {tmp_path / 'chat.gguf'} is there already: choose another file, or let it be replaced (`--overwrite`).\n"
    )
    assert run(CHECKPOINT, tmp_path / "chat.gguf", "--overwrite").exit_code == 0


def test_help_says_what_each_type_costs():
    output = " ".join(CliRunner().invoke(app, ["export-gguf", "--help"]).output.split())
    for words in ("f16: 2 bytes each", "q8_0: half of that", "q4_0: a third", "one file each"):
        assert words in output
