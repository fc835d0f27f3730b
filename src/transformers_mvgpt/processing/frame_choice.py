# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Which frames of a video become pixels: those that are asked for, but no more than the model takes."""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from transformers.video_utils import VideoMetadata

from ..video.video_metadata import SampledVideoMetadata


class FrameChoice:
    """
    The choice of frames for the videos of one call. Called with `metadata=`, it returns the indices of the frames to read.

    Args:
        sample_frames (`Callable`):
            The rule of the family, see `sample_frames` of its video processor.
        options (`dict[str, Any]`):
            What it is called with.
        samples (`bool`):
            Whether frames are sampled. If not, all frames are asked for.
        limit (`int`):
            How many frames of a video the model takes. Of more, as many as this are chosen by the rule of the family.
    """

    def __init__(
        self, sample_frames: Callable[..., np.ndarray], options: dict[str, Any], samples: bool, limit: int
    ) -> None:
        self.samples = samples
        self._sample_frames, self._options, self._limit = sample_frames, options, limit
        self._num_asked_for = 0
        self._reduced: list[int] = []

    def __call__(self, metadata: VideoMetadata) -> Sequence[int]:
        if self.samples:
            segment = {name: self._options.get(name) for name in ("start_seconds", "end_seconds")}
            indices = [int(index) for index in self._sample_frames(metadata, **self._options)]
            return self._at_most(indices, metadata, segment)
        return self._at_most(range(metadata.total_num_frames), metadata, {})

    def among_given(self, known: SampledVideoMetadata, num_frames: int) -> Sequence[int]:
        """Which of `num_frames` frames, that were sampled before, are taken. Then `known`, which describes them, is of these alone."""
        if num_frames <= self._limit:
            return range(num_frames)
        taken = self._at_most(range(num_frames), _of_frames_alone(known, num_frames), {})
        times = known.timestamps_seconds
        known.timestamps_seconds = None if times is None else [times[index] for index in taken]
        known.frames_indices = [(known.frames_indices or range(num_frames))[index] for index in taken]
        return taken

    def _at_most(self, indices: Sequence[int], metadata: VideoMetadata, segment: dict[str, Any]) -> Sequence[int]:
        self._num_asked_for = len(indices)
        if len(indices) <= self._limit:
            return indices
        sampling = self._options.get("sampling")
        fewer = self._sample_frames(metadata, num_frames=self._limit, sampling=sampling, **segment)
        return [int(index) for index in fewer]

    def video_done(self) -> None:
        """Remembers whether the last video had too many frames. A reader may choose several times for one video."""
        if self._num_asked_for > self._limit:
            self._reduced.append(self._num_asked_for)
        self._num_asked_for = 0

    def warn(self) -> None:
        """Warns once of all videos of which fewer frames are taken than were asked for."""
        if self._reduced:
            counts = ", ".join(f"{self._limit} of {number:,}" for number in sorted(set(self._reduced)))
            warnings.warn(
                f"The model takes at most {self._limit} frames of a video: {counts} are used. Ask for fewer frames, or for those of a "
                "segment.",
                stacklevel=2,
            )


def _of_frames_alone(known: SampledVideoMetadata, num_frames: int) -> SampledVideoMetadata:
    """Metadata of frames that were sampled of a video, as if these were the whole of it."""
    times = None
    if known.timestamps_seconds is not None or known.fps:
        times = np.asarray(known.timestamps, dtype=np.float64)
        if len(times) != num_frames or (np.diff(times) < 0).any() or times[0] == times[-1]:
            times = None
    fps = None if times is None else float((num_frames - 1) / (times[-1] - times[0]))
    return SampledVideoMetadata(total_num_frames=num_frames, fps=fps, frame_times=times)
