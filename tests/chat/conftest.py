# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
import pytest
import torch
from transformers import AutoModelForImageTextToText, AutoProcessor

from release_layout import make_release_of_letters
from video_files import CLIPS


@pytest.fixture(scope="session")
def release(tmp_path_factory):
    return make_release_of_letters(tmp_path_factory.mktemp("release"))


@pytest.fixture(scope="session")
def model(release):
    return AutoModelForImageTextToText.from_pretrained(release)


@pytest.fixture(scope="session")
def processor(release):
    return AutoProcessor.from_pretrained(release)


@pytest.fixture(scope="session")
def video(tmp_path_factory):
    """40 frames, 10 of them per second."""
    return str(CLIPS["h264.mp4"](tmp_path_factory.mktemp("clips") / "h264.mp4"))


@pytest.fixture(scope="session")
def encoded(model, processor, video):
    inputs = processor(text=processor.video_token, videos=[video], return_tensors="pt")
    with torch.no_grad():
        return model.get_video_features(inputs["pixel_values_videos"], inputs["context_pixel_values_videos"])
