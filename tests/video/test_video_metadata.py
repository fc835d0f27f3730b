# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""What is known of the frames that were read."""

import copy

import numpy as np
import pytest
from transformers.video_utils import VideoMetadata, make_batched_metadata

from transformers_mvgpt.video.video_decoding import SampledVideoMetadata, decode_video
from video_files import NUM_FRAMES, sample


def test_metadata_is_a_video_metadata_that_knows_its_times(clip) -> None:
    _, metadata = decode_video(clip("variable.mp4"), sample(3, 1))
    assert isinstance(metadata, VideoMetadata)
    for same in (copy.copy(metadata), copy.deepcopy(metadata)):
        assert same == metadata and same.timestamps == pytest.approx([7 / 30, 1 / 30])
    assert set(metadata) == set(dict(metadata)) == set(VideoMetadata(1)) and len(metadata) == len(dict(metadata))
    assert metadata["frames_indices"] == [3, 1]
    # transformers makes its own of one that is passed alone, and leaves a list as it is.
    assert make_batched_metadata([None], metadata)[0].total_num_frames == NUM_FRAMES
    assert make_batched_metadata([None], [metadata])[0] is metadata


def test_timestamps_fall_back_to_the_rate() -> None:
    assert SampledVideoMetadata(total_num_frames=10, fps=5, frames_indices=[0, 5]).timestamps == [0.0, 1.0]
    with pytest.raises(ValueError, match="Cannot infer video `timestamps`"):
        SampledVideoMetadata(total_num_frames=10, frames_indices=[0, 5]).timestamps  # noqa: B018


@pytest.mark.parametrize("name", ["h264.mp4", "vp9.webm"])
def test_indices_are_checked(clip, backend: str, name: str) -> None:
    for index in (NUM_FRAMES, -1):
        with pytest.raises(IndexError, match=rf"Frame {index} of '.*{name}' .* has 40 frames: .* from 0 to 39"):
            decode_video(clip(name), sample(0, index), backend=backend)
    with pytest.raises(ValueError, match=f"No frame of '.*{name}' was asked for"):
        decode_video(clip(name), sample(), backend=backend)
    with pytest.raises(TypeError, match="float"):
        decode_video(clip(name), lambda metadata: np.linspace(0, 9, 3), backend=backend)
