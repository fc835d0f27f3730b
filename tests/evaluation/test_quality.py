# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
import pytest
import torch
from transformers import pipeline

from transformers_mvgpt.demo import CHECKPOINT, make_clip, write_clip
from transformers_mvgpt.evaluation import ScoredQuestion, answer_questions


@pytest.fixture(scope="module")
def pipe():
    return pipeline("video-text-to-text", model=str(CHECKPOINT), device="cpu")


@pytest.fixture(scope="module")
def questions(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    questions = []
    for seed in (11, 15):
        clip = make_clip(seed, "test")
        write_clip(clip, folder / f"{seed}.mp4")
        questions += [
            ScoredQuestion(str(folder / f"{seed}.mp4"), question.type, question.text, question.answer)
            for question in clip.questions[:4]
        ]
    return questions


def test_answers_are_those_of_the_pipeline(pipe, questions):
    answers = list(answer_questions(pipe.model, pipe.processor, questions, max_new_tokens=6))
    one_by_one = [pipe(q.video, text=q.question, max_new_tokens=6)[0]["generated_text"].strip() for q in questions]
    assert answers == one_by_one


@pytest.mark.parametrize("num_workers", [0, 3])
def test_workers_change_no_answer(pipe, questions, num_workers):
    def answers(**options):
        return list(answer_questions(pipe.model, pipe.processor, questions, max_new_tokens=3, **options))

    assert answers(num_workers=num_workers) == answers()


@pytest.mark.parametrize("num_workers", [0, 1])
def test_damaged_video_is_named(pipe, questions, tmp_path, num_workers):
    damaged = tmp_path / "damaged.mp4"
    damaged.write_bytes(b"no video")
    bad = ScoredQuestion(str(damaged), "color", "What?", "red")
    answers = answer_questions(
        pipe.model, pipe.processor, [questions[0], bad, questions[4]], max_new_tokens=1, num_workers=num_workers
    )
    next(answers)
    with pytest.raises(ValueError, match=f"The video '{damaged}' could not be read"):
        next(answers)


def test_a_video_is_encoded_once(pipe, questions, monkeypatch):
    calls = []
    encode = pipe.model.get_video_features
    monkeypatch.setattr(pipe.model, "get_video_features", lambda *args: calls.append(args) or encode(*args))
    list(answer_questions(pipe.model, pipe.processor, questions, max_new_tokens=2))
    assert len(calls) == 2


def test_shuffling_shows_both_encoders_the_same_order(pipe, questions, monkeypatch):
    seen = []
    encode = pipe.model.get_video_features
    monkeypatch.setattr(pipe.model, "get_video_features", lambda *args: seen.append(args) or encode(*args))
    list(answer_questions(pipe.model, pipe.processor, questions[:1], max_new_tokens=2))
    list(answer_questions(pipe.model, pipe.processor, questions[:1], shuffle_frames=True, max_new_tokens=2))
    plain, shuffled = seen
    order = [int((plain[0][0] == frame).flatten(1).all(1).nonzero()[0]) for frame in shuffled[0][0]]
    assert order != sorted(order)
    for before, after in zip(plain, shuffled, strict=True):
        assert torch.equal(before[0][order], after[0])


def test_options_reach_generate(pipe, questions):
    question = ScoredQuestion(questions[0].video, "description", "Describe the video.", "")
    [short] = answer_questions(pipe.model, pipe.processor, [question], max_new_tokens=1)
    [answer] = answer_questions(pipe.model, pipe.processor, [question], max_new_tokens=6)
    assert answer.startswith(short)
    assert len(short) < len(answer)
