# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Which frames are wanted of a video, and what is known about those that were read."""

import operator
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
import torch
from transformers.video_utils import VideoMetadata

from .limits import UntrustedInput, shorten


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
    Passed to a reader, which calls [`choose`] once it knows the video, then [`put`] for each frame it was asked for.

    Args:
        name (`str`): what messages call the video.
        backend (`str`): what reads it.
        sample_indices_fn (`Callable` or `None`): see `decode_video`.
    """

    metadata: SampledVideoMetadata
    frames: torch.Tensor

    def __init__(self, name: str, backend: str, sample_indices_fn: Callable[..., Sequence[int]] | None) -> None:
        self.name = shorten(name)
        self.backend = backend
        self.sample_indices_fn = sample_indices_fn
        self.limits = UntrustedInput()

    def check_size(self, width: int | None, height: int | None) -> None:
        if width and height:
            self.limits.check_size(f"The video {self.name}", width, height)

    def choose(
        self, num_frames: int, fps: float | None, height: int, width: int, times: np.ndarray | None = None
    ) -> list[int]:
        """
        The different frames to read, ascending. May be called again by a reader that learns better. `times` are those of all
        frames, in seconds on the clock of the container, where they are known.
        """
        if num_frames == 0:
            raise ValueError(f"The video {self.name} has no frames. Check that it plays, or leave it out.")
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
        self.frames = torch.empty(len(indices), 3, height, width, dtype=torch.uint8, device="cpu")
        self._rows: dict[int, list[int]] = {}
        for row, index in enumerate(indices):
            self._rows.setdefault(index, []).append(row)
        return sorted(self._rows)

    def put(self, index: int, frame: torch.Tensor, seconds: float | None) -> None:
        """Takes frame `index`, uint8 of shape `(3, height, width)`, shown at `seconds` on the clock of the container."""
        if frame.shape != self.frames.shape[1:]:
            _, height, width = frame.shape
            raise ValueError(
                f"Frame {index} of {self.name} is {width}x{height}, but the video is {self.metadata.width}x"
                f"{self.metadata.height}. All frames must have one size: scale them to one, or cut the video there."
            )
        for row in self._rows[index]:
            self.frames[row] = frame
        if seconds is not None:
            if self.metadata.timestamps_seconds is None:
                self.metadata.timestamps_seconds = [0.0] * len(self.frames)
            for row in self._rows[index]:
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
        return "" if self.backend == "pyav" else ', or take pyav (`video_backend="pyav"`, `pip install av`)'
