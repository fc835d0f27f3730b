# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""What transformers gets to know of a video: which frames were sampled of it, and when they are shown."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from transformers.video_utils import VideoMetadata


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
