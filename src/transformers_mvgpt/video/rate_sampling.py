# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""So many frames per second of a video, as transformers takes them."""

import numpy as np
from transformers.video_utils import VideoMetadata, default_sample_indices_fn

from .frame_times import HALF_A_MILLISECOND, check_sampling, has_constant_rate, known_times, segment_bounds, shown_at


def sample_at_rate(
    metadata: VideoMetadata,
    fps: float,
    start_seconds: float | None = None,
    end_seconds: float | None = None,
    sampling: str = "frames",
) -> np.ndarray:
    """
    Indices of about `fps` frames per second, ascending and at least one. Frames of variable rate are taken by their times, those of
    constant rate as transformers does it, unless `sampling` is `"time"`.
    """
    check_sampling(sampling)
    frame_times = getattr(metadata, "frame_times", None)
    total_num_frames = metadata.total_num_frames
    first, last = segment_bounds(total_num_frames, metadata.fps, start_seconds, end_seconds, frame_times)
    if sampling == "time" or not has_constant_rate(metadata.fps, frame_times):
        times = known_times(total_num_frames, metadata.fps, frame_times)[first : last + 1]
        seconds = np.arange(times[0], times[-1] + HALF_A_MILLISECOND, 1 / fps)
        return first + np.unique(shown_at(times, seconds))
    return first + default_sample_indices_fn(
        VideoMetadata(total_num_frames=last - first + 1, fps=metadata.fps), fps=fps
    )
