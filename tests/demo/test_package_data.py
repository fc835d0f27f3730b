# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
import av
import numpy as np

from transformers_mvgpt.demo import CLIP, CLIP_SEED, make_clip, write_clip
from transformers_mvgpt.demo.questions import QUESTION_TYPES


def decode(path):
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
        return stream.average_rate, np.stack(frames).astype(float)


def test_clip_is_the_one_of_its_seed(tmp_path):
    """Not byte for byte: another release of the encoder may write another file."""
    clip = make_clip(CLIP_SEED, "test")
    write_clip(clip, tmp_path / "again.mp4")
    rate, frames = decode(CLIP)
    assert (rate, frames.shape) == (clip.fps, (clip.num_frames, clip.height, clip.width, 3))
    _, again = decode(tmp_path / "again.mp4")
    assert np.abs(frames - again).mean(axis=(1, 2, 3)).max() < 2


def test_there_is_much_to_ask_about_the_clip():
    clip = make_clip(CLIP_SEED, "test")
    assert {question.type for question in clip.questions} == set(QUESTION_TYPES)
    assert {actor.behavior for actor in clip.scene.actors} >= {"moves", "flashes"}


def test_clip_is_small():
    assert CLIP.stat().st_size < 100_000
