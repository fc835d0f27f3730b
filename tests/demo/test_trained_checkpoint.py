# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The checkpoint that comes with the package: what its scores say, and whether it is as good on clips drawn here."""

import json
from dataclasses import asdict

import pytest
from transformers import pipeline

from train_demo.build import PARTS, STAGES, Effort
from train_demo.steps import LOG_FILE, SCORES_FILE
from transformers_mvgpt.demo import CHECKPOINT, CLIP, CLIP_SEED, drawn_clip
from transformers_mvgpt.demo.clip_files import write_test_clips
from transformers_mvgpt.demo.questions import QUESTION_TYPES, TIME_TYPES
from transformers_mvgpt.demo.viewing import view_clip
from transformers_mvgpt.evaluation import answer_questions, read_questions, score_by_type


FILE_OPTIONS = {"width": 176, "height": 144, "fps": 18, "seconds": 5}


@pytest.fixture(scope="module")
def results():
    return json.loads((CHECKPOINT / SCORES_FILE).read_text("utf-8"))


@pytest.fixture(scope="module")
def pipe():
    return pipeline("video-text-to-text", model=str(CHECKPOINT), device="cpu")


def test_scores_are_high(results):
    assert results["num_questions"] >= 1000
    scores = results["scores"]["model"]
    assert scores.keys() == {*QUESTION_TYPES, "all"}
    assert scores["all"] >= 0.95
    assert scores["direction"] >= 0.93
    assert scores["order"] >= 0.93


def test_without_the_order_of_the_frames_it_can_but_guess(results):
    scores = results["scores"]
    assert results["time_types"] == list(TIME_TYPES)
    for kind in TIME_TYPES:
        assert scores["shuffled_frames"][kind] <= scores["guesser"][kind] + 0.1


def test_it_was_trained_as_the_command_would_train_it_now(results):
    assert results["effort"] == {**asdict(Effort()), "overrides": []}


def test_log_has_every_stage():
    records = [json.loads(line) for line in (CHECKPOINT / LOG_FILE).read_text("utf-8").splitlines()]
    stages = list(dict.fromkeys(record["stage"] for record in records))
    assert stages == [*PARTS, *STAGES]
    for part in PARTS:  # the stages go on from what can answer already
        losses = [record["loss"] for record in records if record["stage"] == part and "loss" in record]
        assert losses[-1] < losses[0]


def test_it_is_small(pipe):
    assert sum(parameter.numel() for parameter in pipe.model.parameters()) <= 5_000_000
    assert sum(file.stat().st_size for file in CHECKPOINT.iterdir()) <= 12_000_000


def test_it_knows_all_about_the_clip_of_the_package(pipe):
    answers = view_clip(pipe, CLIP, CLIP_SEED).answers
    assert [answer.answer for answer in answers if not answer.is_right] == []
    assert len(answers) >= len(QUESTION_TYPES)


def test_clips_of_other_seeds_sizes_and_rates(pipe, tmp_path):
    assert (FILE_OPTIONS["width"], FILE_OPTIONS["height"]) not in drawn_clip._SIZES
    assert FILE_OPTIONS["fps"] not in drawn_clip._RATES
    list(write_test_clips(tmp_path, 45, first_seed=900_000, **FILE_OPTIONS))
    questions = read_questions(tmp_path / "questions.jsonl")
    scores = score_by_type(questions, list(answer_questions(pipe.model, pipe.processor, questions)))
    assert scores.keys() == {*QUESTION_TYPES, "all"}
    assert scores["all"] >= 0.9
