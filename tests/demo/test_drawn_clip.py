# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
import av
import numpy as np
import pytest

from transformers_mvgpt.demo.drawing import RGB, draw_actor_indices, draw_frame
from transformers_mvgpt.demo.drawn_clip import make_clip, progress_of_frame, write_clip
from transformers_mvgpt.demo.scene import COLORS, SHAPES, Actor, Scene


def scene_of(*actors):
    return Scene(actors, (40, 40, 40), 0)


def still(shape, color, x=0.5, y=0.5, size=0.3):
    return Actor(shape, color, "stays", size, (x, y), (x, y))


def center(frame, color):
    """Row and column, in pixels."""
    return np.argwhere((frame == RGB[color]).all(axis=-1)).mean(axis=0)


def decode(path):
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
        return stream.codec_context.name, stream.average_rate, frames


def test_actor_moves():
    mover = Actor("square", "red", "moves", 0.25, (0.2, 0.7), (0.8, 0.7), direction="right")
    assert center(draw_frame(scene_of(mover), 0.0, 100, 100), "red") == pytest.approx([69.5, 19.5], abs=1)
    assert center(draw_frame(scene_of(mover), 1.0, 100, 100), "red") == pytest.approx([69.5, 79.5], abs=1)


def test_stage_is_the_square_in_the_middle():
    frame = draw_frame(scene_of(still("square", "blue", 0.2, 0.5)), 0.0, 200, 100)
    assert center(frame, "blue") == pytest.approx([49.5, 69.5], abs=1)
    frame = draw_frame(scene_of(still("square", "blue", 0.2, 0.5)), 0.0, 100, 200)
    assert center(frame, "blue") == pytest.approx([99.5, 19.5], abs=1)


@pytest.mark.parametrize("color", COLORS)
@pytest.mark.parametrize("shape", SHAPES)
def test_shapes_have_their_color(shape, color):
    frame = draw_frame(scene_of(still(shape, color)), 0.0, 96, 96)
    share = (frame == RGB[color]).all(axis=-1).mean() / 0.3**2  # of its box
    assert 0.25 < share < 0.9


def test_no_two_shapes_are_drawn_alike():
    drawn = [draw_frame(scene_of(still(shape, "white")), 0.0, 48, 48).astype(int) for shape in SHAPES]
    for index, one in enumerate(drawn):
        for other in drawn[:index]:
            assert (abs(one - other).max(axis=-1) > 100).mean() > 0.008


def test_actor_indices_show_who_is_in_front():
    indices = draw_actor_indices(scene_of(still("square", "red"), still("circle", "blue", size=0.2)), 0.0, 100, 100)
    assert indices[50, 50] == 1
    assert indices[40, 40] == 0
    assert indices[5, 5] == -1


def test_what_is_not_there_is_not_drawn():
    visitor = Actor("ring", "white", "visits", 0.3, (0.5, 0.5), (0.5, 0.5), enters=0.3, leaves=0.6)
    for progress, is_seen in ((0.29, False), (0.3, True), (0.59, True), (0.6, False)):
        frame = draw_frame(scene_of(visitor), progress, 64, 64)
        assert bool((frame == 248).all(axis=-1).any()) is is_seen


def test_file_is_what_was_drawn(tmp_path):
    clip = make_clip(4, width=128, height=96, fps=25, seconds=3)
    write_clip(clip, tmp_path / "clip.mp4")
    codec, rate, frames = decode(tmp_path / "clip.mp4")
    assert (codec, rate, len(frames), frames[0].shape) == ("h264", 25, 75, (96, 128, 3))
    for index in (0, 40, 74):
        drawn = draw_frame(clip.scene, progress_of_frame(clip, index), 128, 96)
        assert np.abs(frames[index] - drawn.astype(float)).mean() < 4


def test_seed_decides_and_splits_differ():
    assert make_clip(3) == make_clip(3)
    assert len({make_clip(3, split).scene.actors for split in ("train", "validation", "test")}) == 3


def test_sizes_rates_and_lengths_vary():
    clips = [make_clip(seed) for seed in range(80)]
    assert len({(clip.width, clip.height) for clip in clips}) > 5
    assert len({clip.fps for clip in clips}) > 5
    assert len({clip.num_frames for clip in clips}) > 30


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"width": 95}, r"`width` \(95\) must be an even number of pixels, at least 64\."),
        ({"height": 48}, r"`height` \(48\) must be an even number of pixels, at least 64\."),
        (
            {"fps": 10, "seconds": 3},
            r"`seconds` \(3\) at `fps` \(10\) makes 30 frames: at least 61 are needed, 6\.1 seconds\.",
        ),
    ],
)
def test_clips_too_small_or_short_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        make_clip(0, **options)
