# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Fixtures of more than one room."""

import importlib.util
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from exported_folders import export_once
from transformers_mvgpt.video.video_decoding import VIDEO_BACKENDS, available_video_backends
from video_files import CLIPS, PACKAGES


@pytest.fixture(params=VIDEO_BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    if importlib.util.find_spec(PACKAGES[request.param]) is None:
        pytest.skip(f"{PACKAGES[request.param]} is not installed")
    if request.param not in available_video_backends():
        message = f"{request.param} is installed but does not load here"
        if request.param == "torchcodec" and "FAIL_WITHOUT_FFMPEG" in os.environ:
            pytest.fail(f"{message}, although FAIL_WITHOUT_FFMPEG says that there is an FFmpeg")
        pytest.skip(
            f"{message}; TorchCodec needs an FFmpeg on the system" if request.param == "torchcodec" else message
        )
    return request.param


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    folder = tmp_path_factory.mktemp("clips")

    def make(name: str) -> Path:
        path = folder / name
        return path if path.exists() else CLIPS[name](path)

    return make


@pytest.fixture(scope="session")
def exported_folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a family's small trained model as ONNX files, by the family's `model_type`. Not to be written to."""
    folder = tmp_path_factory.getbasetemp()
    # each worker of pytest-xdist has a folder of its own in that of the run
    run = folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder
    return lambda family: export_once(family, run)


@pytest.fixture(params=[1, 3], ids=["1 thread", "3 threads"])
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield
    torch.set_num_threads(before)
