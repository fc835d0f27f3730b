# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The command `mvgpt assemble`."""

import json

import pytest
from transformers import AutoModelForImageTextToText
from typer.testing import CliRunner

from release_layout import RELEASE_CONFIG, VIDEOMAMBA_FILE, make_language_model, write_clip, write_videomamba
from transformers_mvgpt.cli.main import app


@pytest.fixture
def options(tmp_path):
    write_clip(tmp_path / "clip")
    write_videomamba(tmp_path / VIDEOMAMBA_FILE)
    names = (
        "video_config",
        "num_frames",
        "frames_per_chunk",
        "num_selected_frames",
        "image_grid_size",
        "video_grid_size",
    )
    (tmp_path / "config.json").write_text(json.dumps({name: RELEASE_CONFIG[name] for name in names}))
    return {
        "--language-model": make_language_model(tmp_path / "language_model"),
        "--image-encoder": tmp_path / "clip",
        "--video-encoder": tmp_path / VIDEOMAMBA_FILE,
        "--config": tmp_path / "config.json",
    }


def run(target, options):
    arguments = [str(argument) for option in options.items() for argument in option]
    return CliRunner().invoke(app, ["assemble", str(target), *arguments])


def test_assemble(tmp_path, options):
    start = tmp_path / "start"
    result = run(start, {**options, "--seed": 3, "--dtype": "bfloat16"})
    assert result.exit_code == 0, result.output
    assert result.stdout == f"Wrote {start}\n"
    assert f"Writing {start}\n" in result.stderr
    assert str(AutoModelForImageTextToText.from_pretrained(start).dtype) == "torch.bfloat16"


def test_family_that_does_not_fit_is_one_line(tmp_path, options):
    result = run(tmp_path / "start", {**options, "--family": "mobilevlm"})
    assert result.exit_code == 1
    assert "is a qwen2 model, not a language model of the type llama" in result.stderr.splitlines()[-1]


def test_missing_encoder_is_one_line(tmp_path, options):
    result = run(tmp_path / "start", {**options, "--video-encoder": "no/where"})
    assert result.exit_code == 1
    assert result.stdout == ""
    *_, error = result.stderr.splitlines()
    assert error == (
        "Error: no/where is neither a file or folder with weights, nor a repository with weights that could be reached on "
        "the Hub."
    )
    assert not (tmp_path / "start").exists()
