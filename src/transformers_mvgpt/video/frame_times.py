# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Segments of videos in seconds, and the times of frames at constant and variable rates."""

import math
from numbers import Real
from typing import Any

import numpy as np

from .limits import shorten


SAMPLINGS = ("frames", "time")

# Matroska and FLV round the time of each frame to a millisecond.
HALF_A_MILLISECOND = 0.0005
MAX_ROUNDING_SECONDS = 0.002


def segment_bounds(
    total_num_frames: int,
    fps: float | None,
    start_seconds: float | None,
    end_seconds: float | None,
    frame_times: np.ndarray | None = None,
) -> tuple[int, int]:
    """
    First and last frame of a segment of a video.

    At a constant rate these are the frames that are shown at `start_seconds` and at `end_seconds`, by the published rule
    `int(seconds * fps)`. At a variable rate they are the first and the last frame whose times lie in the segment; of a segment that
    lies between two frames it is the one that is shown then. The last frame of a video lasts as long as the average one.

    Raises:
        ValueError: if the segment lies outside the video, or ends before it starts, or nothing tells the times.
    """
    if start_seconds is None and end_seconds is None:
        return 0, total_num_frames - 1
    start, end = _checked_seconds("start_seconds", start_seconds), _checked_seconds("end_seconds", end_seconds)
    if start is not None and end is not None and start >= end:
        raise ValueError(
            f"`start_seconds` ({start_seconds}) must be less than `end_seconds` ({end_seconds}): swap them, raise `end_seconds`, or "
            "leave one out."
        )
    if not fps and frame_times is None:
        raise ValueError(
            f"A segment ({start_seconds} to {end_seconds} s) needs the frame rate of the video, which is not known: "
            "pass its frames as an array and `video_metadata` with their `fps`, or leave the segment out."
        )
    begins = 0.0 if frame_times is None else float(frame_times[0])
    if start is not None and _is_beyond(start, begins, total_num_frames, fps):
        rate = f" at {fps:g} frames per second" if fps else ""
        raise ValueError(
            f"`start_seconds` ({start_seconds}) lies beyond the end of the video, which has {total_num_frames} frames{rate}: "
            f"{begins + total_num_frames / fps if fps else begins:.2f} s."
        )
    if end is not None and end < begins - HALF_A_MILLISECOND:
        raise ValueError(
            f"`end_seconds` ({end_seconds}) lies before the first frame of the video, which is shown at {begins:.2f} s: raise it."
        )
    if fps and has_constant_rate(fps, frame_times):
        first = 0 if start is None else max(0, _frame_at(start, begins, fps))
        last = total_num_frames - 1
        # a segment may be endless
        if end is not None and (end - begins) * fps < last:
            last = max(0, _frame_at(end, begins, fps))
        return first, last

    times = np.asarray(frame_times)
    first = 0 if start is None else int(np.searchsorted(times, start - HALF_A_MILLISECOND))
    last = total_num_frames - 1
    if end is not None:
        last = int(np.searchsorted(times, end + HALF_A_MILLISECOND, side="right")) - 1
    if first > last:
        first = last
    return first, last


def has_constant_rate(fps: float | None, frame_times: np.ndarray | None) -> bool:
    """Whether the times of the frames follow from their numbers, but for what containers round."""
    if frame_times is None:
        return True
    if not fps:
        return False
    expected = frame_times[0] + np.arange(len(frame_times)) / fps
    return bool(np.abs(frame_times - expected).max() <= min(MAX_ROUNDING_SECONDS, 0.25 / fps))


def check_sampling(sampling: str) -> None:
    if sampling not in SAMPLINGS:
        raise ValueError(f"`sampling` ({shorten(sampling)}) must be one of: {', '.join(SAMPLINGS)}.")


def _checked_seconds(name: str, seconds: Any) -> float | None:
    if seconds is None:
        return None
    if isinstance(seconds, bool) or not isinstance(seconds, Real):
        raise ValueError(f"`{name}` ({shorten(seconds)}) must be a number of seconds, such as 5 or 62.5.")
    number = float(seconds)
    if not number >= 0:  # nor is NaN
        raise ValueError(f"`{name}` ({seconds}) must be at least 0.")
    return number


def _is_beyond(start: float, begins: float, total_num_frames: int, fps: float | None) -> bool:
    return (start - begins) * fps >= total_num_frames if fps else start > begins


def _frame_at(seconds: float, begins: float, fps: float) -> int:
    number = (seconds - begins) * fps
    # Where the video begins at zero the published rule holds to the bit. Elsewhere the difference must not lose a frame.
    if begins and abs(number - round(number)) < MAX_ROUNDING_SECONDS * fps:
        return round(number)
    return math.floor(number)


def known_times(total_num_frames: int, fps: float | None, frame_times: np.ndarray | None) -> np.ndarray:
    if frame_times is not None:
        return np.asarray(frame_times)
    if not fps:
        raise ValueError(
            'Sampling by time (`sampling="time"`) needs the frame rate of the video, which is not known: pass its frames as an array '
            'and `video_metadata` with their `fps`, or take `sampling="frames"`.'
        )
    return np.arange(total_num_frames) / fps


def shown_at(times: np.ndarray, seconds: np.ndarray) -> np.ndarray:
    """Numbers of the frames that are shown at these times, which are not before the first."""
    return np.searchsorted(times, seconds + HALF_A_MILLISECOND, side="right") - 1
