# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""`mvgpt ask` with the families whose models take images alone, or videos alone."""

from functools import partial
from typing import Any

import pytest
from transformers import pipeline
from typer.testing import CliRunner

from chats import PICTURE, WHAT
from tiny_families import write_mobilevlm, write_tinyllava
from transformers_mvgpt.cli.main import app


WRITERS = {"mobilevlm": write_mobilevlm, "tinyllava": partial(write_tinyllava, num_queries=256)}


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[str, str]:
    return {name: str(write(tmp_path_factory.mktemp(name))) for name, write in WRITERS.items()}


@pytest.fixture
def image(tmp_path) -> str:
    PICTURE.save(tmp_path / "image.png")
    return str(tmp_path / "image.png")


@pytest.fixture
def other_image(tmp_path) -> str:
    PICTURE.rotate(90).save(tmp_path / "other.png")
    return str(tmp_path / "other.png")


def run_ask(folder: str, *arguments: Any) -> Any:
    options = ["--model", folder, "--device", "cpu", "--max-new-tokens", "4"]
    return CliRunner().invoke(app, ["ask", *map(str, arguments), *options])


def answer_of_pipeline(folder: str, sample: dict[str, Any]) -> str:
    pipe = pipeline("video-text-to-text", model=folder, device="cpu", max_new_tokens=4)
    return pipe({**sample, "text": WHAT})[0]["generated_text"] + "\n"


def test_images(folders, image, other_image):
    folder = folders["mobilevlm"]
    assert run_ask(folder, image, WHAT).stdout == answer_of_pipeline(folder, {"image": image})
    result = run_ask(folder, image, WHAT, "--image", other_image)
    assert result.stdout == answer_of_pipeline(folder, {"images": [other_image, image]})


def test_video_and_image(folders, clip, image):
    folder = folders["tinyllava"]
    assert run_ask(folder, clip, WHAT).stdout == answer_of_pipeline(folder, {"video": str(clip)})
    result = run_ask(folder, clip, WHAT, "--image", image)
    assert result.stdout == answer_of_pipeline(folder, {"images": [image], "video": str(clip)})


def test_what_a_model_does_not_take(folders, clip, image, monkeypatch):
    """It is said before the model is loaded."""
    monkeypatch.setattr("transformers.pipeline", None)
    cases = [
        (
            "mobilevlm",
            [clip],
            "MobileVLM takes images, no videos: pass an image as VIDEO, others with `--image`, or use a",
        ),
        (
            "mobilevlm",
            [image, "--end-seconds", 2],
            "MobileVLM takes images, no videos: leave `--end-seconds` out, or use",
        ),
        (
            "mobilevlm",
            [image, "--show-frames"],
            "MobileVLM selects no frames, it looks at all that it is given: leave",
        ),
        (
            "tinyllava",
            [clip, "--show-frames"],
            "TinyLLaVA-Video selects no frames, it looks at all that it is given: leave",
        ),
    ]
    for family, (visual, *options), message in cases:
        result = run_ask(folders[family], visual, WHAT, *options)
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr.startswith(f"Error: {message}")
        assert len(result.stderr) < 410 and result.stderr.count("\n") == 1
