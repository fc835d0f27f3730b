# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
import json
from pathlib import Path

import numpy as np
import pytest
from transformers.video_utils import VideoMetadata

from transformers_mvgpt import TinyLlavaVideoVideoProcessor
from transformers_mvgpt.video.frame_sampling_tinyllava import spread_frame_indices


DATA = Path(__file__).parents[1] / "data"
ROWS = json.loads((DATA / "tinyllava_video_frame_indices.json").read_text())
# four seconds at 10 frames per second, then one frame per second
DENSE_THEN_SPARSE = np.concatenate([np.arange(0, 4, 0.1), np.arange(4, 20)])


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['frames']} at {row['fps']}")
@pytest.mark.parametrize(("name", "num_frames"), [("uniform_16", 16), ("one_fps_max_64", None)])
def test_measured_indices(row, name, num_frames):
    metadata = VideoMetadata(total_num_frames=row["frames"], fps=row["fps"])
    indices = TinyLlavaVideoVideoProcessor().sample_frames(metadata, num_frames=num_frames)
    assert indices.tolist() == row[name]


def test_cap_can_be_lifted():
    assert len(spread_frame_indices(33_000, 30.0, None, 64)) == 64
    assert len(spread_frame_indices(33_000, 30.0, None, 5000)) == 1100


def test_segment():
    assert spread_frame_indices(300, 30.0, 4, 64, 2, 5).tolist() == [60, 90, 120, 150]
    # of 91 frames
    assert spread_frame_indices(300, 30.0, None, 64, 2, 5).tolist() == [60, 105, 150]
    assert spread_frame_indices(300, 30.0, 3, 64, 9.99, None).tolist() == [299, 299, 299]


def test_variable_rate():
    fps = len(DENSE_THEN_SPARSE) / 20
    by_number = spread_frame_indices(56, fps, 5, 64, frame_times=DENSE_THEN_SPARSE)
    assert by_number.tolist() == [0, 13, 27, 41, 55]
    by_time = spread_frame_indices(56, fps, 5, 64, frame_times=DENSE_THEN_SPARSE, sampling="time")
    assert np.round(DENSE_THEN_SPARSE[by_time], 1).tolist() == [0, 4, 9, 14, 19]
    # 16 seconds and what the last frame lasts
    assert len(spread_frame_indices(56, fps, None, 64, 3.5, None, frame_times=DENSE_THEN_SPARSE)) == 15


def test_frames_of_unknown_rate_are_seconds():
    assert spread_frame_indices(7, None, None, 64).tolist() == [0, 1, 2, 3, 4, 5, 6]
    assert spread_frame_indices(7, None, None, 4).tolist() == [0, 2, 4, 6]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 30.0, 16, 64), "The video has no frames."),
        ((10, 30.0, 0, 64), r"`num_frames` \(0\) must be at least 1."),
        ((10, 30.0, None, 0), r"`max_frames` \(0\) must be at least 1."),
        ((10, None, 16, 64, 1, 2), "needs the frame rate of the video, which is not known"),
        ((30, 30.0, 16, 64, 2, 3), r"`start_seconds` \(2\) lies beyond the end of the video"),
    ],
)
def test_errors(arguments, message):
    with pytest.raises(ValueError, match=message):
        spread_frame_indices(*arguments)
