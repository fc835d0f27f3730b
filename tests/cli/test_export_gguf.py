# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The command `mvgpt export-gguf`."""

import pytest
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForImageTextToText, AutoProcessor
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


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")
def test_an_adapter_whose_base_has_moved(tmp_path):
    base = AutoModelForImageTextToText.from_pretrained(CHECKPOINT)
    lora = get_peft_model(base, LoraConfig(r=2, target_modules=r"model\.language_model\..*\.q_proj"))
    lora.peft_config["default"].base_model_name_or_path = str(tmp_path / "moved")
    lora.save_pretrained(tmp_path / "adapter")
    AutoProcessor.from_pretrained(CHECKPOINT).save_pretrained(tmp_path / "adapter")
    result = run(tmp_path / "adapter", tmp_path / "chat.gguf")
    assert result.exit_code == 1 and "--base-model" in result.stderr
    result = run(tmp_path / "adapter", tmp_path / "chat.gguf", "--base-model", CHECKPOINT)
    assert result.exit_code == 0, result.output


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
