# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
import random

import pytest
from transformers import pipeline

from transformers_mvgpt.demo import CHECKPOINT, make_clip, write_clip
from transformers_mvgpt.demo.questions import Question
from transformers_mvgpt.demo.viewing import AnsweredQuestion, draw_fresh_seed, view_clip


SEED = 31


@pytest.fixture(scope="module")
def pipe():
    return pipeline("video-text-to-text", model=str(CHECKPOINT), device="cpu")


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    write_clip(make_clip(SEED, "test"), path)
    return path


def test_answers_and_frames_are_those_of_the_pipeline(pipe, path):
    viewing = view_clip(pipe, path, SEED)
    assert viewing.clip == make_clip(SEED, "test")
    assert [answered.question for answered in viewing.answers] == viewing.clip.questions
    for index in (0, 1, len(viewing.answers) - 1):
        answered = viewing.answers[index]
        options = {"return_selected_frames": True, "max_new_tokens": 128}
        [record] = pipe(str(path), text=answered.question.text, **options)
        assert record["generated_text"].strip() == answered.answer
        assert record["selected_frames"] == viewing.selected_frames


def test_clip_is_not_encoded_for_each_question(pipe, path, monkeypatch):
    calls = []
    encode = pipe.model.get_video_features
    monkeypatch.setattr(
        pipe.model, "get_video_features", lambda *args, **kwargs: calls.append(args) or encode(*args, **kwargs)
    )
    assert len(view_clip(pipe, path, SEED).answers) > 3
    assert len(calls) == 2


@pytest.mark.parametrize(("answer", "is_right"), [("Red.", True), ("blue", False)])
def test_answers_are_right_as_in_the_scores(answer, is_right):
    assert AnsweredQuestion(Question("colour", "What colour is the ring?", "red"), answer).is_right is is_right


def test_fresh_seeds_differ_though_random_is_seeded():
    seeds = set()
    for _ in range(3):
        random.seed(0)
        seeds.add(draw_fresh_seed())
    assert len(seeds) == 3
