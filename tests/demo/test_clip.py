# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
import av
import numpy as np
import pytest

from transformers_mvgpt.demo import write_clip
from transformers_mvgpt.demo.clip import BLUE, RED, draw_frame


def centre(frame, colour):
    """Row and column, in pixels."""
    return np.argwhere((frame == colour).all(axis=-1)).mean(axis=0)


def test_square_moves_right_and_disc_moves_down():
    first, last = draw_frame(0.0), draw_frame(1.0)
    assert centre(first, RED) == pytest.approx([70, 30], abs=1)
    assert centre(last, RED) == pytest.approx([70, 210], abs=1)
    assert centre(first, BLUE) == pytest.approx([30, 170], abs=1)
    assert centre(last, BLUE) == pytest.approx([210, 170], abs=1)


def test_clip_is_h264_of_the_length_asked_for(tmp_path):
    write_clip(tmp_path / "clip.mp4", seconds=1.5)
    with av.open(str(tmp_path / "clip.mp4")) as container:
        stream = container.streams.video[0]
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
        assert (stream.codec_context.name, stream.average_rate, container.format.name) == (
            "h264",
            24,
            "mov,mp4,m4a,3gp,3g2,mj2",
        )
    assert len(frames) == 36
    for index in (0, 20, 35):
        assert np.abs(frames[index] - draw_frame(index / 35).astype(float)).mean() < 5
