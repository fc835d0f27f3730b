# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""One video file in all the forms in which it is handed over."""

import base64
import os
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from transformers_mvgpt.video.video_decoding import available_video_backends


def need_torchcodec() -> None:
    """Skips the test where TorchCodec does not load, or fails it where that must not be."""
    if "torchcodec" not in available_video_backends():
        if "FAIL_WITHOUT_FFMPEG" in os.environ:
            pytest.fail("TorchCodec does not load, although FAIL_WITHOUT_FFMPEG says that there is an FFmpeg")
        pytest.skip("TorchCodec does not load here")


def make_decoder(path: Any, noted: bool = False, **options: Any) -> Any:
    """An open `VideoDecoder`; with what `datasets` notes in its own if `noted`."""
    need_torchcodec()
    from torchcodec.decoders import VideoDecoder

    decoder = VideoDecoder(os.fspath(path), **options)
    if noted:
        decoder._hf_encoded = {"path": os.fspath(path), "bytes": None}
        decoder.metadata.path = os.fspath(path)
    return decoder


def data_address(path: Any) -> str:
    return f"data:video/mp4;base64,{base64.b64encode(Path(path).read_bytes()).decode()}"


FORMS: dict[str, Callable[[str], Any]] = {
    "path": Path,
    "file_address": lambda path: Path(path).as_uri(),
    "data_address": data_address,
    "bytes": lambda path: Path(path).read_bytes(),
    "memoryview": lambda path: memoryview(Path(path).read_bytes()),
    "open_file": lambda path: open(path, "rb"),
    "file_in_memory": lambda path: BytesIO(Path(path).read_bytes()),
    "noted_path": lambda path: {"bytes": None, "path": path},
    "noted_bytes": lambda path: {"bytes": Path(path).read_bytes(), "path": None},
    "noted_bytes_and_name": lambda path: {"bytes": Path(path).read_bytes(), "path": "clip.mp4"},
    "decoder": make_decoder,
    "noted_decoder": lambda path: make_decoder(path, noted=True),
}
