# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The command `mvgpt convert`."""

import pytest
import torch
from typer.testing import CliRunner

from release_layout import make_language_model, make_release, release_weights
from transformers_mvgpt import MobileVideoGPTForConditionalGeneration
from transformers_mvgpt.cli.main import app


def run(*arguments: object):
    return CliRunner().invoke(app, ["convert", *map(str, arguments)])


def test_convert(tmp_path):
    release = make_release(tmp_path, image_encoder=False, video_encoder=False, image_mm_vision_tower=None)
    native = tmp_path / "native"
    result = run(release, native, "--image-encoder", tmp_path / "clip", "--dtype", "float16")
    assert result.exit_code == 0, result.output
    assert result.stdout == f"Wrote {native}\n"
    assert f"Loading {release}\n" in result.stderr
    assert f"Writing {native}\n" in result.stderr
    assert "Comparing tensors: 100%" in result.stderr
    assert MobileVideoGPTForConditionalGeneration.from_pretrained(native).dtype == torch.float16


def test_training_output(tmp_path):
    release = make_release(tmp_path)
    output = tmp_path / "output"
    output.mkdir()
    projectors = {name: tensor for name, tensor in release_weights().items() if "mm_projector." in name}
    torch.save(projectors, output / "mm_projector.bin")
    (output / "config.json").write_bytes((release / "config.json").read_bytes())
    options = ("--base-model", make_language_model(tmp_path / "language_model"))
    options += ("--image-encoder", tmp_path / "clip", "--video-encoder", tmp_path / "videomamba")
    result = run(output, tmp_path / "native", *options)
    assert result.exit_code == 0, result.output


def test_overwrite(tmp_path):
    release = make_release(tmp_path)
    assert run(release, tmp_path / "native").exit_code == 0
    result = run(release, tmp_path / "native")
    assert result.exit_code == 1
    assert "native is not empty" in result.stderr
    assert run(release, tmp_path / "native", "--overwrite").exit_code == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"video_encoder": False, "mm_vision_tower": None}, "40 weights of the video encoder are missing"),
        ({"num_frames": 5}, "`num_frames` (5) must be a multiple of `frames_per_chunk` (2)"),
    ],
    ids=["missing-encoder", "bad-config"],
)
def test_errors_are_one_line(tmp_path, options, message):
    release = make_release(tmp_path, **options)
    result = run(release, tmp_path / "native")
    assert result.exit_code == 1
    assert result.stdout == ""
    *_, error = result.stderr.splitlines()
    assert error.startswith("Error: ")
    assert message in error
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "native").exists()
