# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Which frames of a video the model looks at."""

import numpy as np


def sample_frame_indices(
    total_num_frames: int,
    fps: float | None,
    num_frames: int,
    start_seconds: float | None = None,
    end_seconds: float | None = None,
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
            Segment of the video to look at; the whole video where they are not given.

    Returns:
        `np.ndarray` of shape `(n,)`, ascending indices of frames. n is `num_frames`, or all frames there are if those
        are fewer.

    Raises:
        ValueError: if there are no frames, the segment lies outside the video, or a segment is asked for without a
            frame rate.
    """
    if total_num_frames < 1:
        raise ValueError("The video has no frames.")
    if num_frames < 1:
        raise ValueError(f"`num_frames` ({num_frames}) must be at least 1.")
    first, last = segment_bounds(total_num_frames, fps, start_seconds, end_seconds)

    stride = max(1, round(fps)) if fps else 1
    positions = np.arange(first, last + 1, stride)
    if len(positions) > num_frames:
        return positions[np.linspace(0, len(positions) - 1, num_frames, dtype=int)]
    if len(positions) == num_frames:
        return positions
    wanted = min(num_frames, last - first + 1)
    stride = max(1, (last - first) // max(1, wanted - 1))
    return first + stride * np.arange(wanted)


def segment_bounds(
    total_num_frames: int, fps: float | None, start_seconds: float | None, end_seconds: float | None
) -> tuple[int, int]:
    """First and last frame of a segment of a video. See [`sample_frame_indices`]."""
    if start_seconds is None and end_seconds is None:
        return 0, total_num_frames - 1
    if not fps:
        raise ValueError(
            f"A segment ({start_seconds} to {end_seconds} s) needs the frame rate of the video, which is not known: "
            "pass its frames as an array and `video_metadata` with their `fps`, or leave the segment out."
        )
    for name, seconds in (("start_seconds", start_seconds), ("end_seconds", end_seconds)):
        if seconds is not None and not seconds >= 0:  # nor is NaN
            raise ValueError(f"`{name}` ({seconds}) must be at least 0.")
    if start_seconds is not None and end_seconds is not None:
        start_seconds, end_seconds = min(start_seconds, end_seconds), max(start_seconds, end_seconds)
        if start_seconds == end_seconds:
            end_seconds = start_seconds + 1
    first = start_seconds * fps if start_seconds is not None else 0
    last = min(end_seconds * fps, total_num_frames - 1) if end_seconds is not None else total_num_frames - 1
    if first >= total_num_frames:
        raise ValueError(
            f"`start_seconds` ({start_seconds}) lies beyond the end of the video, which has {total_num_frames} frames at "
            f"{fps:g} frames per second: {total_num_frames / fps:.2f} s."
        )
    return int(first), int(last)
