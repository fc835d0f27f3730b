# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
import base64
from pathlib import Path

import pytest

from transformers_mvgpt.demo import make_clip, write_clip


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clip of 10 seconds, 10 frames in each."""
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    write_clip(make_clip(3, width=128, height=128, fps=10, seconds=10), path)
    return path


@pytest.fixture(scope="session")
def clip_data(clip: Path) -> str:
    """The clip as a `data:` address."""
    return "data:video/mp4;base64," + base64.b64encode(clip.read_bytes()).decode()
