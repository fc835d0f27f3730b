# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The tiny trained models: what their scores say."""

import json
from dataclasses import asdict

import pytest

from tiny_trained import MOBILEVLM, TINYLLAVA
from train_demo.steps import SCORES_FILE
from train_tiny.build import TINY_MODELS
from train_tiny.chats import CLIP_TYPES
from train_tiny.still_questions import STILL_TYPES


FOLDERS = {"mobilevlm": MOBILEVLM, "tinyllava": TINYLLAVA}
TYPES = {"mobilevlm": STILL_TYPES, "tinyllava": CLIP_TYPES}


@pytest.fixture(scope="module", params=list(TINY_MODELS))
def name(request):
    return request.param


@pytest.fixture(scope="module")
def results(name):
    return json.loads((FOLDERS[name] / SCORES_FILE).read_text("utf-8"))


def test_scores_are_far_above_the_guesser_s(name, results):
    scores = results["scores"]
    assert scores["model"].keys() == {*TYPES[name], "all"}
    assert results["num_questions"] >= 600
    assert scores["model"]["all"] >= scores["guesser"]["all"] + 0.2


def test_without_the_order_of_the_frames_it_can_but_guess_what_came_first():
    scores = json.loads((TINYLLAVA / SCORES_FILE).read_text("utf-8"))["scores"]
    assert scores["model"]["order"] >= scores["guesser"]["order"] + 0.2
    assert scores["shuffled_frames"]["order"] <= scores["guesser"]["order"]


def test_it_was_trained_as_the_command_would_train_it_now(name, results):
    assert results["effort"] == {**asdict(TINY_MODELS[name].effort), "overrides": []}


def test_it_is_small(name, results):
    assert results["num_parameters"] <= 3_000_000
    assert sum(file.stat().st_size for file in FOLDERS[name].iterdir()) <= 6_000_000
