# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Reads the frames that are wanted of a video, the same ones whichever decoder is installed."""

import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, BinaryIO

import torch

from .given_decoders import is_video_decoder, name_of_decoder, read_given_decoder
from .limits import UntrustedInput, shorten
from .memory_errors import explain_memory_errors
from .readers import read_decord, read_opencv, read_torchcodec
from .source_reading import PYAV, Decoder, read_source
from .sources import VideoSource, resolve_source
from .tensor_request import FrameTransform, TensorRequest
from .video_metadata import SampledVideoMetadata


# In the order of choice. PyAV comes with its own FFmpeg and numbers the frames of every container. TorchCodec needs an
# FFmpeg on the system and is exact in MP4 and Matroska. OpenCV has to decode more than is wanted. decord is no longer
# maintained, and damaged files can crash it.
_BACKENDS = {
    "pyav": PYAV,
    "torchcodec": Decoder(read_torchcodec, "torchcodec.decoders", "0.11", "torchcodec"),
    "opencv": Decoder(read_opencv, "cv2", "4.13", "opencv-python-headless"),
    "decord": Decoder(read_decord, "decord", "0.6", "decord"),
}
VIDEO_BACKENDS: tuple[str, ...] = tuple(_BACKENDS)


def available_video_backends() -> list[str]:
    """Those of `VIDEO_BACKENDS` that are installed and load, in the order of choice."""
    return [backend for backend in VIDEO_BACKENDS if _BACKENDS[backend].why_unusable() is None]


def decode_video(
    source: str | os.PathLike | bytes | BinaryIO,
    sample_indices_fn: Callable[..., Sequence[int]] | None = None,
    *,
    backend: str | None = None,
    untrusted_input: UntrustedInput | None = None,
) -> tuple[torch.Tensor, SampledVideoMetadata]:
    """
    Reads frames of a video. No more is decoded than they need, and all backends return the same ones.

    Frames are numbered from 0 in the order they are shown; frames that an edit list hides do not count. `fps` is the
    average rate. Times are those of the container's clock, see [`SampledVideoMetadata`]. Frames are as players show them: turned and
    mirrored as the file asks, of square pixels, on white where they are transparent.

    Args:
        source (`str`, `os.PathLike`, `bytes` or file object):
            A video file; its address (`http:`, `https:`), from which it is downloaded into memory, or a `data:` or
            `file:` address; its bytes; a file opened in binary mode, which is read from its start; `{"bytes": ..., "path": ...}` or an
            open `VideoDecoder` of TorchCodec, as `datasets` has videos; an animated GIF, WebP or PNG in one of these forms; or a
            folder of images, which are taken in the natural order of their names and have no `fps`. What a file is, is told
            by its first bytes: playlists, and whatever else names other files, are no videos.
        sample_indices_fn (`Callable`, *optional*):
            Called with `metadata=`, which has all fields but `frames_indices`, and returns the indices of the frames
            to read: in any order, repeated or not. Without it all frames are read. It is called again if the container
            turns out to be wrong about the number of frames.
        backend (`str`, *optional*):
            One of `VIDEO_BACKENDS`. Defaults to the first that is usable and suits the file, in this order: `"pyav"`,
            which brings its own FFmpeg and can number the frames of any container; `"torchcodec"`, which needs an FFmpeg
            on the system and reads MP4, MOV, Matroska and WebM; `"opencv"`, which often has to decode from the start;
            `"decord"`, which is no longer maintained, reads the same containers as TorchCodec without fragments and
            edits, and may crash on damaged files. Those but PyAV refuse files that they would return wrongly, which PyAV
            finds out: transparent, mirrored or interlaced pictures; OpenCV and decord also more than 8 bits per color.
            Pictures, GIFs, WebPs, PNGs and folders are read with Pillow.
        untrusted_input ([`UntrustedInput`], *optional*):
            The limits on the size of a frame and on the bytes of all that are returned, and on where a source may lead.

    Returns:
        `tuple[torch.Tensor, SampledVideoMetadata]`: the frames in the order of the indices, uint8 RGB of shape
        `(num_indices, 3, height, width)` on the CPU; and what is known of them and of the video.

    Raises:
        `FileNotFoundError`: if there is nothing at the path.
        `OSError`: if a download fails, or the file may not be read.
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
    source: str | os.PathLike | bytes | BinaryIO,
    sample_indices_fn: Callable[..., Sequence[int]] | None,
    transform: FrameTransform | None,
    *,
    backend: str | None = None,
    untrusted_input: UntrustedInput | None = None,
) -> tuple[list[torch.Tensor], SampledVideoMetadata]:
    """As [`decode_video`], but each frame is handed to `transform` as it is decoded, and only what that returns is kept."""
    if backend is not None and backend not in VIDEO_BACKENDS:
        raise ValueError(f"Unknown video backend '{shorten(backend)}'. Choose one of: {', '.join(VIDEO_BACKENDS)}.")
    limits = untrusted_input or UntrustedInput()
    if is_video_decoder(source):
        name = name_of_decoder(source)
        request = TensorRequest(name, "torchcodec", sample_indices_fn, limits, transform)
        _read_given(source, name, backend, request)
        return request.streams, request.metadata

    def request_for(video: VideoSource, backend: str) -> TensorRequest:
        return TensorRequest(video.name, backend, sample_indices_fn, limits, transform)

    video = resolve_source(source, limits)
    with explain_memory_errors(lambda: video.title):
        answered = read_source(video, request_for, partial(_usable_decoders, backend))
    return answered.streams, answered.metadata


def _read_given(decoder: Any, name: str, backend: str | None, request: TensorRequest) -> None:
    if backend not in (None, "torchcodec"):
        raise ValueError(
            f"The video {shorten(name)} is a VideoDecoder of TorchCodec, which decodes itself: leave `video_backend` ({backend}) out, or "
            "pass the file."
        )
    with explain_memory_errors(lambda: f"The video {shorten(name)}"):
        read_given_decoder(decoder, request)


def check_backend(backend: str) -> None:
    """
    Raises:
        ImportError: if it is not installed, too old or does not load.
    """
    _usable_decoders(backend)


def _usable_decoders(backend: str | None) -> dict[str, Decoder]:
    """The one that was asked for, or else all in the order of choice; an error if it, or every one, is unusable."""
    usable = {
        name: decoder
        for name, decoder in _BACKENDS.items()
        if backend in (None, name) and decoder.why_unusable() is None
    }
    if usable:
        return usable
    if backend is None:
        raise ImportError(
            f"No video backend can be used: none of {', '.join(VIDEO_BACKENDS)} is installed, recent enough and loads. "
            f"Install one with {_BACKENDS['pyav'].install_command} or {_BACKENDS['torchcodec'].install_command}."
        )
    raise ImportError(
        f"The video backend '{backend}' cannot be used: {_BACKENDS[backend].why_unusable()}. Install it with "
        f"{_BACKENDS[backend].install_command}, or choose one that can be used here: "
        f"{', '.join(available_video_backends()) or 'none'}."
    )
