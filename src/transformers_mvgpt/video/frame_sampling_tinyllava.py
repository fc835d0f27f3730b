# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
Which frames of a video TinyLLaVA-Video looks at: evenly spread ones, the first and the last among them.

    10 frames, 4 wanted   0 1 2 3 4 5 6 7 8 9     0, 3.0, 6.0, 9, cut off behind the point
                          ^     ^     ^     ^
     3 frames, 4 wanted   0 1 2                   0, 0.67, 1.33, 2: a short clip repeats frames
                          ^ ^ ^
"""

import math

import numpy as np

from .frame_times import check_sampling, has_constant_rate, known_times, segment_bounds, shown_at


def spread_frame_indices(
    total_num_frames: int,
    fps: float | None,
    num_frames: int | None,
    max_frames: int,
    start_seconds: float | None = None,
    end_seconds: float | None = None,
    *,
    frame_times: np.ndarray | None = None,
    sampling: str = "frames",
) -> np.ndarray:
    r"""
    Frames that are evenly spread over a video, by the published rule: `i * ((N - 1) / (n - 1))` in float64, cut off behind the point.

    Args:
        total_num_frames (`int`):
            Number of frames N of the video.
        fps (`float`, *optional*):
            Average frame rate, frames per second.
        num_frames (`int`, *optional*):
            Number of frames n wanted. `None` is as many as the video has full seconds, at least one and at most `max_frames`; where
            neither rate nor times are known, as many as it has frames.
        max_frames (`int`):
            See `num_frames`.
        start_seconds, end_seconds (`float`, *optional*):
            Segment of the video to look at, see [`segment_bounds`]; the whole video where they are not given.
        frame_times (`np.ndarray` of shape `(total_num_frames,)`, *optional*):
            When each frame is shown, in seconds. `index / fps` where it is not given.
        sampling (`str`, *optional*, defaults to `"frames"`):
            `"frames"` is the published rule. `"time"` spreads over `frame_times` instead: the frames that are shown then.

    Returns:
        `np.ndarray` of shape `(n,)`, indices of frames in ascending order; some are repeated where the video has fewer than n frames.

    Raises:
        ValueError: if there are no frames, the segment lies outside the video, or a segment or sampling by time is asked for where
            neither frame rate nor times are known.
    """
    if total_num_frames < 1:
        raise ValueError("The video has no frames.")
    for name, number in (("num_frames", num_frames), ("max_frames", max_frames)):
        if number is not None and number < 1:
            raise ValueError(f"`{name}` ({number}) must be at least 1.")
    check_sampling(sampling)
    first, last = segment_bounds(total_num_frames, fps, start_seconds, end_seconds, frame_times)
    if num_frames is None:
        num_frames = min(max_frames, _full_seconds(first, last, fps, frame_times))
    if sampling == "time":
        times = known_times(total_num_frames, fps, frame_times)[first : last + 1]
        return first + shown_at(times, np.linspace(times[0], times[-1], num_frames))
    return first + np.linspace(0, last - first, num_frames, dtype=int)


def _full_seconds(first: int, last: int, fps: float | None, frame_times: np.ndarray | None) -> int:
    """How many seconds these frames last, at least 1. The last frame lasts as long as the average one."""
    num_frames = last - first + 1
    if frame_times is not None and not has_constant_rate(fps, frame_times):
        average = 1 / fps if fps else float(frame_times[-1] - frame_times[0]) / max(1, len(frame_times) - 1)
        return max(1, math.floor(float(frame_times[last] - frame_times[first]) + average))
    return max(1, math.floor(num_frames / fps)) if fps else num_frames
