# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
import json

from typer.testing import CliRunner

from transformers_mvgpt.cli.main import app
from transformers_mvgpt.demo import CHECKPOINT


def run(*arguments):
    return CliRunner().invoke(app, ["bench", *map(str, arguments)])


def test_figures_are_printed_and_kept(tmp_path):
    result = run(CHECKPOINT, "--device", "cpu", "--runs", 1, "--tokens", 3, "--out", tmp_path / "small.json")
    assert result.exit_code == 0, result.stderr
    kept = json.loads((tmp_path / "small.json").read_text("utf-8"))
    assert kept["machine"]["dtype"] == "float32"
    assert kept["runs"] == 1
    assert kept["num_parameters"] == 1_792_832
    rows = [line.split(" | ")[0].removeprefix("| ") for line in result.stdout.splitlines()[2:]]
    assert rows == [part["part"] for part in kept["parts"]]
    assert (tmp_path / "small.png").exists()


def test_bad_options_are_refused_before_anything_is_built():
    result = run(CHECKPOINT, "--dtype", "int8")
    assert result.exit_code == 1
    assert result.stderr == "Error: `--dtype` (int8) must be float32, bfloat16 or float16.\n"
    result = run(CHECKPOINT, "--compare", "gpt")
    assert result.exit_code == 1
    assert "no model 'gpt' to compare with" in result.stderr
