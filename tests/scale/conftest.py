# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
from pathlib import Path

import pytest

from transformers_mvgpt.demo import make_clip, write_clip


@pytest.fixture(scope="session")
def clips(tmp_path_factory) -> Path:
    """A folder with three small clips in it and in a folder of it, one that is damaged, and what is no video."""
    folder = tmp_path_factory.mktemp("clips")
    (folder / "more").mkdir()
    for number, name in enumerate(("a.mp4", "b.mp4", "more/d.mp4")):
        write_clip(make_clip(500 + number, "test", width=160, height=96, fps=32, seconds=2), folder / name)
    (folder / "c.mp4").write_bytes((folder / "a.mp4").read_bytes()[:500])
    (folder / "notes.txt").write_text("Not a video.")
    return folder
