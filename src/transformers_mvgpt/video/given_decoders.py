# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
Frames of an open `VideoDecoder` of TorchCodec, as `datasets` gives videos. It is the decoder that somebody made, with the stream, device
and transforms that they chose; what it decodes are the sampled frames alone.
"""

import os
import threading
import weakref
from collections.abc import Mapping
from contextlib import suppress
from fractions import Fraction
from typing import Any

import numpy as np
import torch

from .frame_geometry import square_size
from .frame_index import average_fps, read_mp4_index
from .frame_request import FrameRequest, UndecodableFrame
from .frame_times import HALF_A_MILLISECOND, MAX_ROUNDING_SECONDS
from .limits import UntrustedInput
from .sources import VideoSource, resolve_source
from .stream_properties import describe_stream, refuse_what_others_mistake, scan_stream


# Frames that are decoded at a time to learn nothing but their times.
_FRAMES_AT_ONCE = 16
# A decoder has one position in its file.
_locks: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()
_lock_of_locks = threading.Lock()


def is_video_decoder(video: Any) -> bool:
    """Whether it is a `torchcodec.decoders.VideoDecoder`, told without importing TorchCodec."""
    return callable(getattr(video, "get_frame_at", None)) and hasattr(video, "metadata") and hasattr(video, "__len__")


def file_of_decoder(decoder: Any) -> dict[str, Any] | None:
    """The file that `datasets` has noted in a decoder that it made, `{"bytes": ..., "path": ...}`; `None` in all others."""
    noted = getattr(decoder, "_hf_encoded", None)
    if not isinstance(noted, Mapping) or (noted.get("bytes") is None and not isinstance(noted.get("path"), str)):
        return None
    return {key: noted.get(key) for key in ("bytes", "path")}


def name_of_decoder(decoder: Any) -> str:
    """What messages call it: the path that `datasets` has noted, or that it is a decoder."""
    path = getattr(decoder.metadata, "path", None)
    return f"'{path}'" if isinstance(path, str) else "<VideoDecoder>"


def read_given_decoder(decoder: Any, request: FrameRequest) -> None:
    """
    Reads what is wanted of a `VideoDecoder`. Where `datasets` has noted the file that it reads, the file says when frames are shown,
    and what TorchCodec would mistake in it. Of any other decoder a constant rate is assumed, and all its frames are decoded once to
    learn their times if those of the sampled ones contradict.

    Raises:
        ValueError: as other readers; and if the noted file is out of `media_folder`.
    """
    with _lock_of(decoder):
        _Given(decoder, request).read()


def _lock_of(decoder: Any) -> threading.Lock:
    with _lock_of_locks:
        return _locks.setdefault(decoder, threading.Lock())


class _Given:
    def __init__(self, decoder: Any, request: FrameRequest) -> None:
        self.decoder, self.request, self.metadata = decoder, request, decoder.metadata
        request.check_size(self.metadata.width, self.metadata.height)
        self.num_frames = len(decoder)
        self.source = _noted_source(decoder, request.limits)
        if self.source is not None:
            if self.source.container() == "other":
                raise request.unsuitable("reads MP4, MOV, Matroska and WebM only")
            if (properties := describe_stream(self.source, request)) is not None:
                refuse_what_others_mistake(properties, request)

    def read(self) -> None:
        if self.num_frames == 0:
            self.request.choose(0, None, 0, 0)  # which raises
        first, last = self.frame(0), self.frame(self.num_frames - 1)
        begin_seconds = self.metadata.begin_stream_seconds
        fps = average_fps(self.num_frames, last.pts_seconds - begin_seconds, self.metadata.average_fps_from_header)
        ratio = self.pixel_aspect_ratio(first)
        _, height, width = _to_uint8(first.data).shape
        width, height = square_size(width, height, ratio)

        known_times = self.known_times()
        assumed_times = begin_seconds + np.arange(self.num_frames) / fps if fps else None
        if assumed_times is not None and all(map(_is_whole_milliseconds, (first.pts_seconds, last.pts_seconds))):
            assumed_times = assumed_times.round(3)  # as Matroska does
        is_constant = fps is not None and abs(first.duration_seconds - 1 / fps) < HALF_A_MILLISECOND + 0.1 / fps
        if known_times is None and not is_constant and self.num_frames > 1:
            known_times = self.decoded_times()
        try:
            self.take(fps, height, width, ratio, known_times, assumed_times)
        except UndecodableFrame:
            if known_times is not None:
                raise
            self.take(fps, height, width, ratio, self.decoded_times(), None)

    def take(
        self,
        fps: float | None,
        height: int,
        width: int,
        ratio: Fraction,
        times: np.ndarray | None,
        assumed_times: np.ndarray | None,
    ) -> None:
        """Reads the frames; an `UndecodableFrame` is one that is not shown when it should be."""
        tolerance = HALF_A_MILLISECOND if times is not None else min(MAX_ROUNDING_SECONDS, 0.25 / (fps or 1))
        expected = assumed_times if times is None else times
        for number in self.request.choose(self.num_frames, fps, height, width, expected):
            frame = self.frame(number)
            if expected is not None and abs(frame.pts_seconds - expected[number]) > tolerance:
                raise self.mistaken or self.request.undecodable(number)
            self.request.put(number, _to_uint8(frame.data), frame.pts_seconds, ratio)

    def frame(self, number: int) -> Any:
        try:
            return self.decoder.get_frame_at(number)
        except (RuntimeError, IndexError) as error:
            if self.mistaken is not None:
                raise self.mistaken from error
            if not hasattr(self.request, "metadata"):
                raise self.request.unreadable("its first or last frame does not decode") from error
            raise self.request.undecodable(number) from error

    @property
    def mistaken(self) -> UndecodableFrame | None:
        """What to say of a frame that is missing or another one, if the decoder was told to guess where frames are."""
        if self.metadata.num_frames_from_content is not None:
            return None
        return UndecodableFrame(
            f'The video {self.request.name} is a VideoDecoder that was made with `seek_mode="approximate"`, which takes other frames for '
            'those of this video: make it with `seek_mode="exact"`, or pass the file.'
        )

    def pixel_aspect_ratio(self, frame: Any) -> Fraction:
        """Width over height of a pixel as it is shown; 1 where transforms have made another size."""
        ratio = self.metadata.pixel_aspect_ratio
        is_changed = tuple(_to_uint8(frame.data).shape[1:]) != (self.metadata.height, self.metadata.width)
        if not ratio or ratio <= 0 or is_changed:
            return Fraction(1)
        is_transposed = (self.metadata.rotation or 0) % 180 != 0
        return 1 / ratio if is_transposed else ratio

    def known_times(self) -> np.ndarray | None:
        """When each frame is shown, by the noted file, where it has as many."""
        if self.source is None:
            return None
        with self.source.open() as file:
            index = read_mp4_index(file)
        if index is None:
            with suppress(ImportError, ValueError):
                index = scan_stream(self.source, self.request)
        return index.times if index is not None and len(index) == self.num_frames else None

    def decoded_times(self) -> np.ndarray | None:
        """When each frame is shown, by the frames themselves; `None` if the decoder numbers them in another order."""
        times = []
        for start in range(0, self.num_frames, _FRAMES_AT_ONCE):
            stop = min(start + _FRAMES_AT_ONCE, self.num_frames)
            try:
                times += self.decoder.get_frames_in_range(start, stop).pts_seconds.tolist()
            except (RuntimeError, IndexError) as error:
                raise self.mistaken or self.request.unreadable(
                    f"not all of its frames from {start} to {stop - 1} decode"
                ) from error
        return np.array(times) if np.all(np.diff(times) > 0) else None


def _noted_source(decoder: Any, limits: UntrustedInput) -> VideoSource | None:
    """The file that `datasets` made the decoder of, if it is on this machine."""
    noted = file_of_decoder(decoder)
    if noted is None or (noted.get("bytes") is None and not os.path.isfile(noted["path"])):
        return None
    return resolve_source(noted, limits)


def _is_whole_milliseconds(seconds: float) -> bool:
    return abs(seconds - round(seconds, 3)) < 1e-7


def _to_uint8(picture: torch.Tensor) -> torch.Tensor:
    """uint8 RGB of shape `(3, height, width)` on the CPU, of a frame as the decoder was told to make it."""
    if picture.shape[0] != 3 and picture.shape[-1] == 3:
        picture = picture.permute(2, 0, 1)
    if picture.is_floating_point():
        picture = (picture * 255).round().clamp(0, 255).to(torch.uint8)
    return picture.cpu()
