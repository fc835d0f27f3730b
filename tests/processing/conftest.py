# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
import importlib.util
from collections.abc import Callable
from pathlib import Path

import pytest
from video_files import CLIPS, PACKAGES

from transformers_mvgpt.processing.video_decoding_mvgpt import VIDEO_BACKENDS, available_video_backends


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
