# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The published sampling rule, written down once more and plainly, against the package's on videos of all lengths and rates."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from transformers.video_utils import VideoMetadata

from transformers_mvgpt import MobileVideoGPTVideoProcessor


PROCESSOR = MobileVideoGPTVideoProcessor()

lengths = st.integers(1, 5000)
rates = st.one_of(st.sampled_from([1, 23.976, 24, 25, 29.97, 30, 59.94, 60]), st.floats(0.5, 240))
seconds = st.one_of(st.integers(0, 300), st.floats(0, 300))


def published_rule(num_frames: int, fps: float, first: int, last: int, wanted: int) -> list[int]:
    stride = max(1, round(fps))
    positions = list(range(first, last + 1, stride))
    if len(positions) > wanted:
        # linspace truncated; a single one is the first
        # as NumPy rounds: 14.999999999999998 is frame 14
        return [positions[int(step)] for step in np.linspace(0, len(positions) - 1, wanted)]
    if len(positions) < wanted:
        there = min(wanted, last - first + 1)
        stride = max(1, (last - first) // max(1, there - 1))
        return [first + i * stride for i in range(there)]
    return positions


def sample(total: int, rate: float | None, /, **options) -> list[int]:
    return PROCESSOR.sample_frames(VideoMetadata(total_num_frames=total, fps=rate), **options).tolist()


@given(lengths, rates)
def test_a_whole_video_is_sampled_by_the_published_rule(num_frames, fps):
    indices = sample(num_frames, fps)
    assert indices == published_rule(num_frames, fps, 0, num_frames - 1, 16)
    assert len(indices) == min(16, num_frames)
    assert indices == sorted(set(indices)) and 0 <= indices[0] and indices[-1] < num_frames


@given(lengths, rates, st.floats(0, 0.99), st.floats(0.001, 300))
def test_a_segment_is_sampled_by_the_published_rule(num_frames, fps, share, length):
    start = share * num_frames / fps
    end = start + length
    first, last = int(start * fps), min(int(end * fps), num_frames - 1)
    assert sample(num_frames, fps, start_seconds=start, end_seconds=end) == published_rule(
        num_frames, fps, first, last, 16
    )


@given(lengths, rates, st.floats(0.001, 0.99))
def test_an_open_segment_reaches_to_the_end_or_from_the_start(num_frames, fps, share):
    bound = share * num_frames / fps
    last = min(int(bound * fps), num_frames - 1)
    assert sample(num_frames, fps, end_seconds=bound) == published_rule(num_frames, fps, 0, last, 16)
    indices = sample(num_frames, fps, start_seconds=bound)
    assert indices == published_rule(num_frames, fps, int(bound * fps), num_frames - 1, 16)


@given(lengths, rates, seconds, seconds)
def test_a_segment_that_ends_before_it_starts_is_an_error(num_frames, fps, start, end):
    start, end = max(start, end), min(start, end)
    with pytest.raises(ValueError, match=r"start_seconds.*end_seconds"):
        sample(num_frames, fps, start_seconds=start, end_seconds=end)


@given(lengths, rates, st.floats(0, 10_000))
def test_a_start_beyond_the_end_is_an_error(num_frames, fps, beyond):
    start = (num_frames + 1) / fps + beyond
    with pytest.raises(ValueError, match="beyond the end"):
        sample(num_frames, fps, start_seconds=start)


@given(st.integers(1, 2000), rates, st.integers(1, 64))
def test_as_many_frames_as_are_asked_for(num_frames, fps, wanted):
    assume(wanted != PROCESSOR.num_frames)
    if wanted > num_frames:
        with pytest.raises(ValueError, match=rf"`num_frames` \({wanted}\) is more than the {num_frames} frames"):
            sample(num_frames, fps, num_frames=wanted)
    else:
        assert sample(num_frames, fps, num_frames=wanted) == published_rule(num_frames, fps, 0, num_frames - 1, wanted)


@given(st.integers(1, 2000), st.floats(1, 120), st.floats(0.01, 1))
def test_a_rate_of_ones_own(num_frames, fps, share):
    rate = share * fps
    indices = sample(num_frames, fps, fps=rate)
    assert indices == sorted(indices) and 0 <= indices[0] and indices[-1] < num_frames
    assert abs(len(indices) - num_frames / fps * rate) <= 1 or len(indices) == math.ceil(num_frames / fps * rate)
