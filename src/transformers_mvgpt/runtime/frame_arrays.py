# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Videos and images as arrays, read with PyAV alone: the same pixels, limits and messages as with the package's processors."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..video.frame_request import FrameMetadata, FrameRequest
from ..video.image_sources import resolve_image
from ..video.limits import UntrustedInput
from ..video.memory_errors import explain_memory_errors
from ..video.picture_pyav import read_picture_with_pyav
from ..video.source_reading import PYAV, Decoder, read_source
from ..video.sources import resolve_source


# Makes what is kept of one frame, uint8 RGB of shape (height, width, 3): an array for each stream, of one shape whatever the frame's size.
FrameTransform = Callable[[np.ndarray], tuple[np.ndarray, ...]]


def read_frames(
    source: Any,
    sample_indices_fn: Callable[..., Sequence[int]] | None = None,
    untrusted_input: UntrustedInput | None = None,
) -> tuple[np.ndarray, FrameMetadata]:
    """
    Reads frames of a video, upright, of square pixels and on white. No more is decoded than they need.

    Args:
        source (`str`, `os.PathLike`, `bytes`, file object or `dict`):
            A video file in any form that `resolve_source` takes; with Pillow also an animated GIF, WebP or PNG, or a folder of images.
        sample_indices_fn (`Callable`, *optional*):
            Called with `metadata=`, which has all fields but `frames_indices` and `timestamps_seconds`, and returns the indices of the
            frames to read: in any order, repeated or not. Without it all frames are read.
        untrusted_input ([`UntrustedInput`], *optional*):
            The limits on the size of a frame and on the bytes of all, and on where a source may lead.

    Returns:
        `tuple[np.ndarray, FrameMetadata]`: uint8 RGB of shape `(num_indices, height, width, 3)`, C-contiguous, in the order of the
        indices; and what is known of them and of the video, under the names of transformers' `VideoMetadata`.

    Raises:
        `FileNotFoundError`: if there is nothing at the path.
        `OSError`: if a download fails, or the file may not be read.
        `ImportError`: if PyAV, or Pillow where it is needed, is not installed.
        `IndexError`: if an index is out of range.
        `ValueError`: if the file is empty, damaged or no video, or a frame cannot be decoded; if a frame, or the frames together,
            are more than the limits allow, or than the memory holds.
        `TypeError`: if `source` is something else, or an index is not an integer.
    """
    limits = untrusted_input or UntrustedInput()

    def request_for(name: str, backend: str) -> FrameRequest:
        return FrameRequest(name, backend, sample_indices_fn, limits)

    [frames], metadata = _read(source, request_for, limits)
    return frames.transpose(0, 2, 3, 1), metadata


def read_streams(
    source: Any,
    sample_indices_fn: Callable[..., Sequence[int]],
    transform: FrameTransform,
    untrusted_input: UntrustedInput | None = None,
) -> tuple[list[np.ndarray], FrameMetadata]:
    """
    As [`read_frames`], but each frame is handed to `transform` as it is decoded, and only what that returns is kept: the arrays of all
    frames, of shape `(num_indices, ...)`, for each stream. So many frames of a large video need no more memory than those of a small one.
    """
    limits = untrusted_input or UntrustedInput()

    def request_for(name: str, backend: str) -> FrameRequest:
        return _TransformedRequest(name, backend, sample_indices_fn, limits, transform)

    return _read(source, request_for, limits)


class _TransformedRequest(FrameRequest):
    def __init__(
        self,
        name: str,
        backend: str,
        sample_indices_fn: Callable[..., Sequence[int]],
        limits: UntrustedInput,
        transform: FrameTransform,
    ) -> None:
        super().__init__(name, backend, sample_indices_fn, limits)
        self._transform = transform

    def _keep(self, frame: np.ndarray) -> tuple[np.ndarray, ...]:
        return self._transform(np.ascontiguousarray(frame.transpose(1, 2, 0)))

    def _keep_blank(self, height: int, width: int) -> tuple[np.ndarray, ...]:
        # what is kept has the same size, whatever that of the frame
        return self._transform(np.zeros((8, 8, 3), np.uint8))

    def _empty(self, num_frames: int, pixels: np.ndarray) -> np.ndarray:
        return np.empty((num_frames, *pixels.shape), pixels.dtype)


def _read(
    source: Any, request_for: Callable[[str, str], FrameRequest], limits: UntrustedInput
) -> tuple[list[np.ndarray], FrameMetadata]:
    video = resolve_source(source, limits)
    with explain_memory_errors(lambda: video.title):
        answered = read_source(video, lambda named, backend: request_for(named.name, backend), _usable_decoders)
    return answered.streams, answered.metadata


def read_image(source: Any, untrusted_input: UntrustedInput | None = None) -> np.ndarray:
    """
    An image, upright and on white: uint8 RGB of shape `(height, width, 3)`, C-contiguous. It is read with Pillow, or else with PyAV.

    Args:
        source:
            A path; an address with `http:`, `https:`, `data:` or `file:`; base64; the bytes of a file; a file opened in binary mode;
            `{"bytes": ..., "path": ...}`.
        untrusted_input ([`UntrustedInput`], *optional*):
            How much is taken of it, and where it may lead.

    Raises:
        `FileNotFoundError`: if there is nothing at the path.
        `OSError`: if the file cannot be opened or the download fails.
        `TypeError`: for anything else.
        `ValueError`: if it is empty, damaged, no image, or larger than a limit or than memory.
    """
    limits = untrusted_input or UntrustedInput()
    resolved = resolve_image(source, limits)
    try:
        from ..video.pictures import read_picture
    except ImportError:
        _usable_decoders()
        return read_picture_with_pyav(resolved, limits)
    return np.array(read_picture(resolved, limits))


def _usable_decoders() -> dict[str, Decoder]:
    if (reason := PYAV.why_unusable()) is not None:
        raise ImportError(
            f"Videos are read with PyAV, and so are images without Pillow, but it cannot be used: {reason}. Install it with {PYAV.install_command}."
        )
    return {"pyav": PYAV}
