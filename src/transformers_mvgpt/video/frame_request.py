# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Which frames are wanted of a video, and what is kept of those that were read. Here it is arrays, see `tensor_request.py`."""

import operator
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np

from .frame_geometry import make_square
from .limits import UntrustedInput, shorten
from .reading_reports import report_reading


# A decoder holds about one frame for each of its threads. 8K video gets two.
MAX_BYTES_IN_THREADS = 256 * 1024**2


@dataclass
class FrameMetadata:
    """What `SampledVideoMetadata` says of a video, under the same names, where transformers need not be installed."""

    total_num_frames: int
    fps: float | None = None
    width: int | None = None
    height: int | None = None
    duration: float | None = None
    video_backend: str | None = None
    frames_indices: list[int] | None = None
    timestamps_seconds: list[float] | None = None
    frame_times: np.ndarray | None = field(default=None, repr=False, compare=False)

    @property
    def timestamps(self) -> list[float] | None:
        """When each frame of `frames_indices` is shown, in seconds: `index / fps` where the times are not known, `None` without both."""
        if self.timestamps_seconds is not None or not self.fps or self.frames_indices is None:
            return self.timestamps_seconds
        return [index / self.fps for index in self.frames_indices]


class UndecodableFrame(ValueError):
    """One of the wanted frames is missing."""


class UnsuitableBackend(ValueError):
    """The file may be sound, but this backend would read it wrongly or not at all; another one can be tried."""


class FrameRequest:
    """
    Passed to a reader, which calls [`check_size`] with what the header of the file says, [`choose`] once it knows the video, then
    [`put`] for each frame it was asked for.

    Args:
        name (`str`): what messages call the video.
        backend (`str`): what reads it.
        sample_indices_fn (`Callable` or `None`): see `decode_video`.
        untrusted_input (`UntrustedInput`, *optional*): the limits.

    Attributes:
        metadata (`FrameMetadata`): what is known of the video; `metadata_class` makes it.
        streams (`list[np.ndarray]`):
            What is kept of the frames: uint8 of shape `(num_indices, 3, height, width)`, whose channels lie beside each other.
    """

    metadata_class: type = FrameMetadata
    metadata: Any
    streams: list[Any]

    def __init__(
        self,
        name: str,
        backend: str,
        sample_indices_fn: Callable[..., Sequence[int]] | None,
        untrusted_input: UntrustedInput | None = None,
    ) -> None:
        self.name = shorten(name)
        self.backend = backend
        self.sample_indices_fn = sample_indices_fn
        self.limits = UntrustedInput() if untrusted_input is None else untrusted_input

    def check_size(self, width: int | None, height: int | None) -> None:
        """
        Called with the size in the header before anything is decoded, and with that of each frame before it becomes RGB.

        Raises:
            ValueError: if that is more than the limits take. A size that is not known yet, `None` or 0, passes.
        """
        if width and height:
            self.limits.check_size(f"The video {self.name}", width, height)

    def num_threads(self, width: int | None, height: int | None) -> int | None:
        """How many threads a decoder may have that holds some frames for each; `None` where it may have its own number."""
        num_threads = MAX_BYTES_IN_THREADS // max(3 * (width or 0) * (height or 0), 1)
        return max(num_threads, 1) if num_threads < (os.cpu_count() or 1) else None

    def choose(
        self, num_frames: int, fps: float | None, height: int, width: int, times: np.ndarray | None = None
    ) -> list[int]:
        """
        The different frames to read, ascending. May be called again by a reader that learns better. `times` are those of all
        frames, in seconds on the clock of the container, where they are known.
        """
        if num_frames == 0:
            raise ValueError(f"The video {self.name} has no frames. Check that it plays, or leave it out.")
        self.check_size(width, height)
        self.metadata = self.metadata_class(
            total_num_frames=num_frames,
            fps=fps,
            width=width,
            height=height,
            duration=num_frames / fps if fps else None,
            video_backend=self.backend,
            frame_times=times,
        )
        sample = self.sample_indices_fn
        chosen = range(num_frames) if sample is None else sample(metadata=self.metadata)
        self._check_bytes(len(chosen))
        indices = [operator.index(index) for index in chosen]
        for index in indices:
            if not 0 <= index < num_frames:
                raise IndexError(
                    f"Frame {index} of {self.name} was asked for, but it has {num_frames} frames: the indices must be "
                    f"from 0 to {num_frames - 1}."
                )
        if not indices:
            raise ValueError(f"No frame of {self.name} was asked for: sample_indices_fn returned no indices.")

        self.metadata.frames_indices = indices
        self.streams = []
        self._order = np.argsort(indices, kind="stable")
        self._sorted = np.array(indices)[self._order]
        return np.unique(self._sorted).tolist()

    def _check_bytes(self, num_frames: int) -> None:
        width, height = self.metadata.width, self.metadata.height
        kept = self._keep_blank(height, width)
        num_bytes = num_frames * sum(pixels.nbytes for pixels in kept)
        if num_bytes > self.limits.max_decoded_bytes:
            sizes = " and ".join(f"{pixels.shape[-1]}x{pixels.shape[-2]}" for pixels in kept)
            raise ValueError(
                f"{num_frames:,} frames of {self.name} at {sizes} are {num_bytes:,} bytes; at most "
                f"{self.limits.max_decoded_bytes:,} are held. Sample fewer frames or a segment, or raise `max_decoded_bytes` of "
                "`untrusted_input=UntrustedInput(...)`."
            )

    def put(self, index: int, picture: Any, seconds: float | None, pixel_aspect_ratio: Fraction = Fraction(1)) -> None:
        """
        Takes frame `index`.

        Args:
            index (`int`): one of those that [`choose`] returned.
            picture (`np.ndarray`): uint8 RGB of shape `(3, height, width)`.
            seconds (`float`, *optional*): when it is shown, on the clock of the container.
            pixel_aspect_ratio (`Fraction`): width over height of its pixels, which are made square.
        """
        frame = self._square(picture, pixel_aspect_ratio)
        _, height, width = frame.shape
        if (width, height) != (self.metadata.width, self.metadata.height):
            raise ValueError(
                f"Frame {index} of {self.name} is {width}x{height}, but the video is {self.metadata.width}x"
                f"{self.metadata.height}. All frames must have one size: scale them to one, or cut the video there."
            )
        kept = self._keep(frame)
        if not self.streams:
            self.streams = [self._empty(len(self._order), pixels) for pixels in kept]
        rows = self._order[slice(*np.searchsorted(self._sorted, (index, index + 1)))].tolist()
        for stream, pixels in zip(self.streams, kept, strict=True):
            for row in rows:
                stream[row] = pixels
        if seconds is not None:
            if self.metadata.timestamps_seconds is None:
                self.metadata.timestamps_seconds = [0.0] * len(self._order)
            for row in rows:
                self.metadata.timestamps_seconds[row] = seconds
        report_reading("frames", int(np.searchsorted(self._sorted, index + 1)), len(self._sorted))

    def _square(self, picture: Any, pixel_aspect_ratio: Fraction) -> Any:
        return make_square(picture, pixel_aspect_ratio)

    def _keep(self, frame: Any) -> tuple[Any, ...]:
        """What is kept of a frame, for each stream."""
        return (frame,)

    def _keep_blank(self, height: int, width: int) -> tuple[Any, ...]:
        """As of a frame of this size, before there is one: it tells how many bytes will be held."""
        return (np.broadcast_to(np.uint8(0), (3, height, width)),)

    def _empty(self, num_frames: int, pixels: Any) -> Any:
        """Room for so many of what is kept."""
        channels, height, width = pixels.shape
        return np.empty((num_frames, height, width, channels), pixels.dtype).transpose(0, 3, 1, 2)

    def undecodable(self, index: int) -> UndecodableFrame:
        return UndecodableFrame(
            f"Frame {index} of {self.name} could not be decoded by {self.backend}: the file promises "
            f"{self.metadata.total_num_frames} frames, but is damaged or cut short there. Sample other frames, or re-encode the file."
        )

    def unreadable(self, reason: str) -> ValueError:
        """For files that are wrong themselves, as far as this backend can tell."""
        return ValueError(
            f"The video {self.name} could not be read by {self.backend}: {reason}. It is damaged, cut short, or no video. Check that "
            f"it plays, or re-encode it{self._or_pyav}."
        )

    def unsuitable(self, what_it_does: str) -> UnsuitableBackend:
        """For files that are as they should be, but not for this backend, which `what_it_does`."""
        way_out = 'take pyav (`video_backend="pyav"`, `pip install av`)'
        if self.backend == "pyav":
            way_out = "re-encode it, e.g. as H.264, or take another backend"
        return UnsuitableBackend(f"The video {self.name} is not for {self.backend}, which {what_it_does}: {way_out}.")

    @property
    def _or_pyav(self) -> str:
        return (
            "" if self.backend in ("pyav", "pillow") else ', or take pyav (`video_backend="pyav"`, `pip install av`)'
        )
