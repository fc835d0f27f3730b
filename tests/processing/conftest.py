# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
import importlib.util
from collections.abc import Callable
from pathlib import Path

import pytest
from transformers import pipeline

from chats import WHAT, WHERE, answer, ask, film
from release_layout import make_release_of_letters
from transformers_mvgpt import VideoTextToTextPipeline
from transformers_mvgpt.processing.video_decoding_mvgpt import VIDEO_BACKENDS, available_video_backends
from video_files import CLIPS, PACKAGES


@pytest.fixture(params=VIDEO_BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    if importlib.util.find_spec(PACKAGES[request.param]) is None:
        pytest.skip(f"{PACKAGES[request.param]} is not installed")
    if request.param not in available_video_backends():
        pytest.skip(f"{request.param} is installed but does not load here")
    return request.param


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    folder = tmp_path_factory.mktemp("clips")

    def make(name: str) -> Path:
        path = folder / name
        return path if path.exists() else CLIPS[name](path)

    return make


@pytest.fixture(scope="session")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_release_of_letters(tmp_path_factory.mktemp("release"))


@pytest.fixture(scope="session")
def pipe(release: Path) -> VideoTextToTextPipeline:
    return pipeline("video-text-to-text", model=str(release), device="cpu", max_new_tokens=6)


@pytest.fixture(scope="session")
def video(clip: Callable[[str], Path]) -> str:
    """40 frames, 10 of them per second, each of which shows its number."""
    return str(clip("h264.mp4"))


@pytest.fixture(scope="session")
def short_video(clip: Callable[[str], Path]) -> str:
    return str(clip("two_frames.mkv"))


@pytest.fixture(scope="session")
def answers(pipe: VideoTextToTextPipeline, video: str, short_video: str) -> dict[tuple[str, str], str]:
    """By video and question."""
    return {
        (path, question): answer(pipe, ask(question, film(path)))
        for path in (video, short_video)
        for question in (WHAT, WHERE)
    }
