# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
Which frames of a video the model looks at.

The published rule counts frames. Where the frame rate is constant, that is the same as going by time. Where it is not, a segment
is cut by the presentation times of the frames, and `sampling="time"` spreads the frames over time instead of over their numbers:

    shown   |||||||||||||||| |    |    |    |    |    |    |    four seconds at 30 frames per second, then one per second
    frames  ^ ^ ^ ^ ^ ^ ^ ^                       ^             most of them from where frames are dense
    time    ^  ^   ^   ^     ^    ^    ^    ^    ^    ^    ^    a second apart
"""

import numpy as np

from .frame_times import HALF_A_MILLISECOND, check_sampling, known_times, segment_bounds, shown_at


def sample_frame_indices(
    total_num_frames: int,
    fps: float | None,
    num_frames: int,
    start_seconds: float | None = None,
    end_seconds: float | None = None,
    *,
    frame_times: np.ndarray | None = None,
    sampling: str = "frames",
) -> np.ndarray:
    r"""
    About one frame per second, thinned out evenly if that gives too many, closer together if it gives too few.

        30 fps, 900 frames, 16 wanted:  0 . . . 30 . . . 60 . . . 90 ... 870   30 positions, a second apart
                                        ^                        ^       ^     16 of them, evenly spread

    Args:
        total_num_frames (`int`):
            Number of frames of the video.
        fps (`float`, *optional*):
            Average frame rate, frames per second. Where it is not known, all frames are positions.
        num_frames (`int`):
            Number of frames wanted.
        start_seconds, end_seconds (`float`, *optional*):
            Segment of the video to look at, see [`segment_bounds`]; the whole video where they are not given.
        frame_times (`np.ndarray` of shape `(total_num_frames,)`, *optional*):
            When each frame is shown, in seconds. `index / fps` where it is not given.
        sampling (`str`, *optional*, defaults to `"frames"`):
            `"frames"` is the published rule: a second is `round(fps)` frames. `"time"` goes by `frame_times`.

    Returns:
        `np.ndarray` of shape `(n,)`, ascending indices of frames. n is `num_frames`, or all frames there are if those
        are fewer.

    Raises:
        ValueError: if there are no frames, the segment lies outside the video, or a segment or sampling by time is asked for where
            neither frame rate nor times are known.
    """
    if total_num_frames < 1:
        raise ValueError("The video has no frames.")
    if num_frames < 1:
        raise ValueError(f"`num_frames` ({num_frames}) must be at least 1.")
    check_sampling(sampling)
    first, last = segment_bounds(total_num_frames, fps, start_seconds, end_seconds, frame_times)
    if sampling == "time":
        times = known_times(total_num_frames, fps, frame_times)[first : last + 1]
        return first + _spread_in_time(times, num_frames)

    stride = max(1, round(fps)) if fps else 1
    positions = np.arange(first, last + 1, stride)
    if len(positions) > num_frames:
        return positions[np.linspace(0, len(positions) - 1, num_frames, dtype=int)]
    if len(positions) == num_frames:
        return positions
    wanted = min(num_frames, last - first + 1)
    stride = max(1, (last - first) // max(1, wanted - 1))
    return first + stride * np.arange(wanted)


def _spread_in_time(times: np.ndarray, num_frames: int) -> np.ndarray:
    """As [`sample_frame_indices`], of frames that are shown at `times`."""
    seconds = np.arange(times[0], times[-1] + HALF_A_MILLISECOND, 1.0)
    if len(seconds) > num_frames:
        seconds = seconds[np.linspace(0, len(seconds) - 1, num_frames, dtype=int)]
    elif len(seconds) < num_frames:
        seconds = np.linspace(times[0], times[-1], num_frames)
    taken = np.unique(shown_at(times, seconds))
    # Where a frame is shown for long it was taken for several of them: then those that are farthest from the taken ones join.
    while len(taken) < min(num_frames, len(times)):
        following = np.searchsorted(taken, np.arange(len(times)))
        before = np.abs(times - times[taken[np.maximum(following - 1, 0)]])
        after = np.abs(times - times[taken[np.minimum(following, len(taken) - 1)]])
        distance = np.minimum(before, after)
        distance[taken] = -1
        taken = np.sort(np.append(taken, distance.argmax()))
    return taken
