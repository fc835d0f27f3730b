# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
from collections.abc import Callable
from pathlib import Path

import pytest
from transformers import pipeline

from chats import WHAT, WHERE, answer, ask, film
from release_layout import make_release_of_letters
from transformers_mvgpt import VideoTextToTextPipeline


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
