# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Which frames are wanted of a video, and what is known about those that were read."""

import operator
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
import torch
from transformers.video_utils import VideoMetadata

from .limits import UntrustedInput, shorten


# Makes what is kept of one frame, uint8 RGB of shape (3, height, width): a tensor for each stream.
FrameTransform = Callable[[torch.Tensor], tuple[torch.Tensor, ...]]

# A decoder holds about one frame for each of its threads. 8K video gets two.
MAX_BYTES_IN_THREADS = 256 * 1024**2


@dataclass
class SampledVideoMetadata(VideoMetadata):
    """
    transformers' `VideoMetadata` that also knows when its frames are shown, which at a variable frame rate, or in a stream that
    begins late, is not `index / fps`. As a mapping it has the keys of its parent, so that it can stand wherever a `VideoMetadata`
    can.

    Times are presentation times on the clock of the container, as players show them: in MP4, MOV, Matroska and WebM a stream that
    begins late has its first frame at 1.7 s, not at 0. In MPEG-TS and others whose clocks run on from anywhere, zero is where the
    container begins.

    Args:
        timestamps_seconds (`list[float]`, *optional*):
            When each frame of `frames_indices` is shown, in seconds.
        frame_times (`np.ndarray` of shape `(total_num_frames,)`, float64, *optional*):
            When each frame of the video is shown, in seconds, ascending.
    """

    timestamps_seconds: list[float] | None = None
    frame_times: np.ndarray | None = field(default=None, repr=False, compare=False)

    def __iter__(self) -> Iterator[str]:
        return (field.name for field in fields(VideoMetadata))

    def __len__(self) -> int:
        return len(fields(VideoMetadata))

    @property
    def timestamps(self) -> list[float]:
        """Timestamps of the sampled frames in seconds: the real ones, or `index / fps` where those are not known."""
        return super().timestamps if self.timestamps_seconds is None else self.timestamps_seconds


def describe_given_frames(
    num_frames: int, known: VideoMetadata | None, sample_indices_fn: Callable[..., Any] | None
) -> SampledVideoMetadata:
    """
    Metadata of frames that were given as an array, with the indices in `frames_indices` of those that `sample_indices_fn` takes:
    of all of them where it is `None`. What `known` says of their times is kept.

    Raises:
        ValueError: if frames are to be sampled of an array that does not hold the whole video.
    """
    metadata = SampledVideoMetadata(**({"total_num_frames": num_frames} if known is None else dict(known)))
    metadata.frame_times = getattr(known, "frame_times", None)
    metadata.timestamps_seconds = getattr(known, "timestamps_seconds", None)
    if sample_indices_fn is not None:
        if metadata.total_num_frames != num_frames:
            raise ValueError(
                f"`video_metadata` is of {metadata.total_num_frames} frames, but {num_frames} are there to sample "
                "from: pass all of them, or `do_sample_frames=False` if these are sampled already."
            )
        metadata.frames_indices = [int(index) for index in sample_indices_fn(metadata=metadata)]
        times = metadata.frame_times
        metadata.timestamps_seconds = (
            None if times is None else [float(times[index]) for index in metadata.frames_indices]
        )
    elif len(metadata.frames_indices or ()) != num_frames:
        metadata.frames_indices, metadata.timestamps_seconds = list(range(num_frames)), None
    return metadata


class UndecodableFrame(ValueError):
    """One of the wanted frames is missing."""


class UnsuitableBackend(ValueError):
    """The file may be sound, but this backend would read it wrongly or not at all; another one can be tried."""


class FrameRequest:
    """
    Passed to a reader, which calls [`check_size`] with what the header of the file says, [`choose`] once it knows the video, then
    [`put`] for each frame it was asked for. Of each frame only what `transform` makes of it is held.

    Args:
        name (`str`): what messages call the video.
        backend (`str`): what reads it.
        sample_indices_fn (`Callable` or `None`): see `decode_video`.
        untrusted_input (`UntrustedInput`, *optional*): the limits.
        transform (`FrameTransform`, *optional*):
            Called for each frame, and before the first one with a tensor on the device "meta", which tells how much will be
            held. Without it the frames themselves are kept.
    """

    metadata: SampledVideoMetadata
    # what is kept of the frames, of shape (num_indices, ...) each
    streams: list[torch.Tensor]

    def __init__(
        self,
        name: str,
        backend: str,
        sample_indices_fn: Callable[..., Sequence[int]] | None,
        untrusted_input: UntrustedInput | None = None,
        transform: FrameTransform | None = None,
    ) -> None:
        self.name = shorten(name)
        self.backend = backend
        self.sample_indices_fn = sample_indices_fn
        self.limits = UntrustedInput() if untrusted_input is None else untrusted_input
        self.transform = _keep if transform is None else transform

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
        self.metadata = SampledVideoMetadata(
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
        kept = self.transform(torch.empty(3, height, width, dtype=torch.uint8, device="meta"))
        num_bytes = num_frames * sum(pixels.nbytes for pixels in kept)
        if num_bytes > self.limits.max_decoded_bytes:
            sizes = " and ".join(f"{pixels.shape[-1]}x{pixels.shape[-2]}" for pixels in kept)
            raise ValueError(
                f"{num_frames:,} frames of {self.name} at {sizes} are {num_bytes:,} bytes; at most "
                f"{self.limits.max_decoded_bytes:,} are held. Sample fewer frames or a segment, or raise `max_decoded_bytes` of "
                "`untrusted_input=UntrustedInput(...)`."
            )

    def put(self, index: int, frame: torch.Tensor, seconds: float | None) -> None:
        """Takes frame `index`, uint8 of shape `(3, height, width)`, shown at `seconds` on the clock of the container."""
        _, height, width = frame.shape
        if (width, height) != (self.metadata.width, self.metadata.height):
            raise ValueError(
                f"Frame {index} of {self.name} is {width}x{height}, but the video is {self.metadata.width}x"
                f"{self.metadata.height}. All frames must have one size: scale them to one, or cut the video there."
            )
        kept = self.transform(frame)
        if not self.streams:
            self.streams = [pixels.new_empty((len(self._order), *pixels.shape)) for pixels in kept]
        rows = self._order[slice(*np.searchsorted(self._sorted, (index, index + 1)))].tolist()
        for stream, pixels in zip(self.streams, kept, strict=True):
            for row in rows:
                stream[row] = pixels
        if seconds is not None:
            if self.metadata.timestamps_seconds is None:
                self.metadata.timestamps_seconds = [0.0] * len(self._order)
            for row in rows:
                self.metadata.timestamps_seconds[row] = seconds

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


def _keep(frame: torch.Tensor) -> tuple[torch.Tensor, ...]:
    return (frame,)
