# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
from pathlib import Path

import pytest

from transformers_mvgpt.demo import make_clip, write_clip
from untrained_release import write_checkpoint


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clip of 2 seconds, 32 frames in each."""
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    write_clip(make_clip(0, width=240, height=240, fps=32, seconds=2), path)
    return path


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small model, laid out as the published ones are."""
    folder = tmp_path_factory.mktemp("checkpoint")
    write_checkpoint(folder)
    return folder
