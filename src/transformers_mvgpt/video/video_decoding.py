# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Reads the frames that are wanted of a video, the same ones whichever decoder is installed."""

import importlib
import os
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch

from .frame_index import FrameIndex, read_mp4_index
from .image_readers import read_folder, read_gif
from .limits import UntrustedInput
from .reader_pyav import read_pyav
from .readers import read_decord, read_opencv, read_torchcodec
from .sources import VideoSource, resolve_source
from .video_metadata import FrameRequest, FrameTransform, SampledVideoMetadata


class _Backend(NamedTuple):
    read: Callable[[VideoSource, FrameRequest, FrameIndex | None], None]
    module: str
    minimum_version: str  # older ones take BT.709 colors for BT.601, or do not turn frames upright
    requirement: str


# In the order of choice. PyAV comes with its own FFmpeg and numbers the frames of every container. TorchCodec needs an
# FFmpeg on the system and is exact in MP4 and Matroska. OpenCV has to decode more than is wanted. decord is no longer
# maintained, and damaged files can crash it.
_BACKENDS = {
    "pyav": _Backend(read_pyav, "av", "17.0", "av"),
    "torchcodec": _Backend(read_torchcodec, "torchcodec.decoders", "0.11", "torchcodec"),
    "opencv": _Backend(read_opencv, "cv2", "4.13", "opencv-python-headless"),
    "decord": _Backend(read_decord, "decord", "0.6", "decord"),
}
VIDEO_BACKENDS: tuple[str, ...] = tuple(_BACKENDS)


def available_video_backends() -> list[str]:
    """Those of `VIDEO_BACKENDS` that are installed and load, in the order of choice."""
    return [backend for backend in VIDEO_BACKENDS if _why_unusable(backend) is None]


def decode_video(
    source: str | os.PathLike | bytes,
    sample_indices_fn: Callable[..., Sequence[int]] | None = None,
    *,
    backend: str | None = None,
    untrusted_input: UntrustedInput | None = None,
) -> tuple[torch.Tensor, SampledVideoMetadata]:
    """
    Reads frames of a video. No more is decoded than they need, and all backends return the same ones.

    Frames are numbered from 0 in the order they are shown; frames that an edit list hides do not count. `fps` is the
    average rate. Frames are upright: the rotation that a file asks for has been applied.

    Args:
        source (`str`, `os.PathLike` or `bytes`):
            A video file; its address (`http://` or `https://`), from which it is downloaded into memory; its bytes; an
            animated GIF in one of these forms; or a folder of images, which are taken in the natural order of their
            names and have no `fps`.
        sample_indices_fn (`Callable`, *optional*):
            Called with `metadata=`, which has all fields but `frames_indices`, and returns the indices of the frames
            to read: in any order, repeated or not. Without it all frames are read. It is called again if the container
            turns out to be wrong about the number of frames.
        backend (`str`, *optional*):
            One of `VIDEO_BACKENDS`. Defaults to the first that is usable, in this order: `"pyav"`, which brings its
            own FFmpeg and can number the frames of any container; `"torchcodec"`, which needs an FFmpeg on the system
            and reads MP4, MOV, Matroska and WebM; `"opencv"`, which often has to decode from the start and takes
            BT.2020 colors for BT.601; `"decord"`, which is no longer maintained, reads the same containers as
            TorchCodec without fragments and edits, and may crash on damaged files. GIFs and folders are read with
            Pillow.
        untrusted_input ([`UntrustedInput`], *optional*):
            The limits on the size of a frame and on the bytes of all that are returned, and on where a source may lead.

    Returns:
        `tuple[torch.Tensor, SampledVideoMetadata]`: the frames in the order of the indices, uint8 RGB of shape
        `(num_indices, 3, height, width)` on the CPU; and what is known of them and of the video.

    Raises:
        `FileNotFoundError`: if there is nothing at the path.
        `OSError`: if a download fails.
        `ImportError`: if the decoder, or any at all, is not installed.
        `IndexError`: if an index is out of range.
        `ValueError`: if the file is empty, damaged or no video, or a frame cannot be decoded; if a frame, or the frames together,
            are more than the limits allow, or than the memory holds.
        `TypeError`: if `source` is something else, or an index is not an integer.
    """
    [frames], metadata = decode_streams(
        source, sample_indices_fn, None, backend=backend, untrusted_input=untrusted_input
    )
    return frames, metadata


def decode_streams(
    source: str | os.PathLike | bytes,
    sample_indices_fn: Callable[..., Sequence[int]] | None,
    transform: FrameTransform | None,
    *,
    backend: str | None = None,
    untrusted_input: UntrustedInput | None = None,
) -> tuple[list[torch.Tensor], SampledVideoMetadata]:
    """As [`decode_video`], but each frame is handed to `transform` as it is decoded, and only what that returns is kept."""
    if backend is not None and backend not in VIDEO_BACKENDS:
        raise ValueError(f"Unknown video backend '{backend}'. Choose one of: {', '.join(VIDEO_BACKENDS)}.")
    video = resolve_source(source)
    container = None if video.is_folder else video.container()
    if container is None or container == "gif":
        request = FrameRequest(video.name, "pillow", sample_indices_fn, untrusted_input, transform)
        read_images = read_folder if container is None else read_gif
        read_images(video, request)
    else:
        backend = _usable_backend(backend)
        request = FrameRequest(video.name, backend, sample_indices_fn, untrusted_input, transform)
        index = None
        if container == "mp4":
            with video.open() as file:
                index = read_mp4_index(file)
        _BACKENDS[backend].read(video, request, index)
    return request.streams, request.metadata


def _usable_backend(backend: str | None) -> str:
    """The one that was asked for, or else the first; an error if it, or every one, is unusable."""
    for candidate in VIDEO_BACKENDS if backend is None else (backend,):
        if _why_unusable(candidate) is None:
            return candidate
    if backend is None:
        raise ImportError(
            f"No video backend can be used: none of {', '.join(VIDEO_BACKENDS)} is installed, recent enough and loads. "
            f"Install one with {_install_command('pyav')} or {_install_command('torchcodec')}."
        )
    raise ImportError(
        f"The video backend '{backend}' cannot be used: {_why_unusable(backend)}. Install it with "
        f"{_install_command(backend)}, or choose one that can be used here: "
        f"{', '.join(available_video_backends()) or 'none'}."
    )


def _install_command(backend: str) -> str:
    return f"`pip install '{_BACKENDS[backend].requirement}>={_BACKENDS[backend].minimum_version}'`"


def _why_unusable(backend: str) -> str | None:
    module, minimum_version = _BACKENDS[backend].module, _BACKENDS[backend].minimum_version
    try:
        package = importlib.import_module(module.partition(".")[0])
        importlib.import_module(module)
    except (ImportError, OSError, RuntimeError) as error:
        # The latter two come from a TorchCodec that cannot load FFmpeg, with a line for each version that it tried.
        return str(error).partition("\n")[0]
    if _major_and_minor(package.__version__) < _major_and_minor(minimum_version):
        return f"its version {package.__version__} is older than {minimum_version} and gets colors or rotations wrong"
    # Since 0.16 TorchCodec loads without FFmpeg, because it also decodes images.
    if getattr(package, "ffmpeg_major_version", 0) is None:
        return "it finds no FFmpeg, which comes apart from it (`apt install ffmpeg`, `brew install ffmpeg`)"
    return None


def _major_and_minor(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2])
