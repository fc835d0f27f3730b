# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Frame indices: as measured on the release, and where the release has no answer."""

import json
from pathlib import Path

import numpy as np
import pytest
from transformers.video_utils import VideoMetadata

from transformers_mvgpt import MobileVideoGPTVideoProcessor
from transformers_mvgpt.video.frame_sampling_mvgpt import sample_frame_indices


MEASURED = json.loads((Path(__file__).parents[1] / "data" / "frame_indices.json").read_text())


def describe(row: dict) -> str:
    segment = "" if row["start_s"] is None else f"-from-{row['start_s']}s-to-{row['end_s']}s"
    return f"{row['num_frames']}-frames-at-{row['fps']}fps{segment}"


def sample(total_num_frames: int, video_fps: float | None, **options) -> list[int]:
    processor = MobileVideoGPTVideoProcessor()
    return processor.sample_frames(VideoMetadata(total_num_frames=total_num_frames, fps=video_fps), **options).tolist()


@pytest.mark.parametrize("row", MEASURED, ids=describe)
def test_measured_indices(row):
    indices = sample(row["num_frames"], row["fps"], start_seconds=row["start_s"], end_seconds=row["end_s"])
    assert indices == row["indices"]
    assert len(indices) == row["num_real"]


@pytest.mark.parametrize("fps", [30, 0.2, None])
def test_one_frame(fps):
    assert sample(1, fps) == [0]


@pytest.mark.parametrize("fps", [1, 0.4, None], ids=["1fps", "less-than-half-a-frame-per-second", "unknown"])
def test_all_frames_are_positions(fps):
    assert sample(40, fps) == [0, 2, 5, 7, 10, 13, 15, 18, 20, 23, 26, 28, 31, 33, 36, 39]


@pytest.mark.parametrize("fps, stride", [(2.5, 2), (3.5, 4)])
def test_frame_rate_is_rounded_half_to_even(fps, stride):
    assert sample(16 * stride, fps) == list(range(0, 16 * stride, stride))


@pytest.mark.parametrize("fps", [0.3, 1, 7, 29.97, None])
@pytest.mark.parametrize("num_frames", [1, 2, 16, 17])
def test_as_many_as_wanted_or_all_there_are(fps, num_frames):
    for total_num_frames in range(1, 130):
        indices = sample_frame_indices(total_num_frames, fps, num_frames)
        assert len(indices) == min(num_frames, total_num_frames)
        assert np.all(np.diff(indices) > 0)
        assert 0 <= indices[0] and indices[-1] < total_num_frames


def test_other_number_of_frames():
    assert sample(900, 30, num_frames=8) == [0, 120, 240, 360, 480, 600, 720, 870]
    assert sample(8, 30, num_frames=8) == list(range(8))


SEGMENTS = {
    "fractions": ((2.5, 4.35), list(range(25, 41))),
    "from": ((9.2, None), list(range(92, 100))),
    "to": ((None, 0.95), list(range(10))),
    "first_frame": ((None, 0), [0]),
    "end_beyond_the_video": ((9.2, 1000), list(range(92, 100))),
    "endless": ((9.2, float("inf")), list(range(92, 100))),
    "long": ((0.5, 9.9), list(range(5, 100, 6))[:16]),
}


@pytest.mark.parametrize("name", SEGMENTS)
def test_segment(name):
    (start, end), expected = SEGMENTS[name]
    assert sample(100, 10, start_seconds=start, end_seconds=end) == expected


@pytest.mark.parametrize("seconds", [10, 12.5, float("inf")])
def test_segment_beyond_the_end(seconds):
    message = rf"`start_seconds` \({seconds}\) lies beyond the end .* 100 frames at 10 frames per second: 10.00 s"
    with pytest.raises(ValueError, match=message):
        sample(100, 10, start_seconds=seconds)


@pytest.mark.parametrize("name", ["start_seconds", "end_seconds"])
@pytest.mark.parametrize("seconds", [-0.1, float("nan")])
def test_segment_before_the_start(name, seconds):
    with pytest.raises(ValueError, match=rf"`{name}` \({seconds}\) must be at least 0"):
        sample(100, 10, **{name: seconds})


@pytest.mark.parametrize("fps", [None, 0])
def test_segment_needs_the_frame_rate(fps):
    with pytest.raises(ValueError, match=r"A segment \(2 to None s\) needs the frame rate"):
        sample(100, fps, start_seconds=2)


def test_default_number_of_frames_need_not_be_there():
    assert sample(5, 30) == sample(5, 30, num_frames=16) == list(range(5))


@pytest.mark.parametrize("segment, there", [({}, 10), ({"start_seconds": 0.2}, 8)])
def test_other_number_of_frames_must_be_there(segment, there):
    message = rf"`num_frames` \(12\) is more than the {there} frames there are: pass at most {there}, or leave it out"
    with pytest.raises(ValueError, match=message):
        sample(10, 10, num_frames=12, **segment)


@pytest.mark.parametrize("num_frames", [0, -1])
def test_number_of_frames_is_positive(num_frames):
    with pytest.raises(ValueError, match=rf"`num_frames` \({num_frames}\) must be at least 1"):
        sample(10, 10, num_frames=num_frames)


def test_no_frames():
    with pytest.raises(ValueError, match="The video has no frames"):
        sample(0, 10)


def test_rate():
    assert sample(40, 10, fps=2) == list(range(0, 40, 5))
    assert sample(40, 10, fps=2, start_seconds=1, end_seconds=2.95) == [10, 15, 20, 25]


def test_rate_and_number_exclude_each_other():
    with pytest.raises(ValueError, match=r"`num_frames` \(8\) and `fps` \(2\) exclude each other"):
        sample(40, 10, fps=2, num_frames=8)


@pytest.mark.parametrize("fps", [0, -1])
def test_rate_is_positive(fps):
    with pytest.raises(ValueError, match=rf"`fps` \({fps}\) must be more than 0"):
        sample(40, 10, fps=fps)
