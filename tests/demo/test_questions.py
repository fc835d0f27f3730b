# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
import random
import re
from collections import Counter

import pytest

from transformers_mvgpt.demo.questions import (
    QUESTION_TYPES,
    TIME_TYPES,
    describe,
    make_questions,
)
from transformers_mvgpt.demo.scene import Actor, Scene, make_scene


PLACE = {"size": 0.25, "start": (0.5, 0.5), "end": (0.5, 0.5)}
RING = Actor("ring", "white", "moves", 0.25, (0.8, 0.2), (0.2, 0.2), direction="left")
CROSS = Actor("cross", "red", "visits", **PLACE, enters=0.1, leaves=0.3)
CIRCLE = Actor("circle", "orange", "visits", **PLACE, enters=0.4, leaves=0.7)
SQUARE = Actor("square", "blue", "changes", **PLACE, changes_at=0.5, new_color="green")
TRIANGLE = Actor("triangle", "purple", "flashes", **PLACE, enters=0.3, leaves=0.4)


def scene_of(*actors):
    return Scene(actors, (50, 50, 50), 0)


def ask(scene, pattern, split="train"):
    """All answers to questions like this, over many wordings."""
    questions = [question for seed in range(60) for question in make_questions(scene, seed, split)]
    return {(m.groups(), question.answer) for question in questions if (m := re.fullmatch(pattern, question.text))}


def test_description_tells_all():
    assert describe(scene_of(RING, CROSS, SQUARE)) == (
        "The square turns from blue to green. The cross is red and comes and goes. The ring is white and moves left."
    )
    assert describe(scene_of(CIRCLE)) == "The circle is orange and comes and goes."


def test_direction():
    answers = ask(scene_of(RING), r"Does the (?:white )?ring move (\w+) or (\w+)\?")
    assert answers == {(("left", "right"), "left"), (("right", "left"), "left")}


@pytest.mark.parametrize(
    ("pattern", "first"),
    [
        (r"What appears first, the (?:\w+ )?(cross|circle) or the (?:\w+ )?(cross|circle)\?", "cross"),
        (r"What vanishes first, the (?:\w+ )?(cross|circle) or the (?:\w+ )?(cross|circle)\?", "cross"),
        (r"What appears last, the (?:\w+ )?(cross|circle) or the (?:\w+ )?(cross|circle)\?", "circle"),
    ],
)
def test_first_and_last(pattern, first):
    answers = ask(scene_of(CIRCLE, CROSS), pattern)
    assert {named for named, _ in answers} == {("cross", "circle"), ("circle", "cross")}
    assert {answer.split()[-1] for _, answer in answers} == {first}


def test_before_and_after():
    answers = ask(scene_of(CIRCLE, CROSS), r"Does the (?:\w+ )?(\w+) appear before or after the (?:\w+ )?(\w+)\?")
    assert answers == {(("cross", "circle"), "before"), (("circle", "cross"), "after")}


def test_change_of_color():
    answers = ask(scene_of(SQUARE), r"Does the square turn from (\w+) to \w+ or from \w+ to \w+\?")
    assert answers == {(("blue",), "from blue to green"), (("green",), "from blue to green")}


@pytest.mark.parametrize(
    ("details", "verb", "length"),
    [
        ({"enters": 0.7}, "appear", "less"),
        ({"enters": 0.2}, "appear", "more"),
        ({"leaves": 0.2}, "vanish", "less"),
        ({"leaves": 0.7}, "vanish", "more"),
    ],
)
def test_appearing_vanishing_and_how_long(details, verb, length):
    scene = scene_of(Actor("ring", "red", "appears" if "enters" in details else "vanishes", **PLACE, **details))
    assert {answer for _, answer in ask(scene, r"Does the (?:red )?ring (?:appear|vanish) or (?:\w+)\?")} == {verb}
    assert {answer for _, answer in ask(scene, r"Is the .*ring visible for .* half of the video\?")} == {length}


def test_brief_event():
    assert ask(scene_of(TRIANGLE, RING), r"What flashes\?") == {((), "the purple triangle")}
    assert ask(scene_of(TRIANGLE, RING), r"What is seen only for a moment\?") == {((), "the purple triangle")}
    assert ask(scene_of(TRIANGLE, RING), r"Does anything flash\?") == {((), "yes")}
    assert ask(scene_of(RING), r"Does anything flash\?") == {((), "no")}


def test_color_shape_and_count():
    scene = scene_of(RING, CIRCLE)
    assert ask(scene, r"(?:What colour is|Which colour does) the (\w+)(?: have)?\?") == {
        (("ring",), "white"),
        (("circle",), "orange"),
    }
    assert ask(scene, r"(?:What shape is the|Which shape is) (\w+)(?: object)?\?") == {
        (("white",), "ring"),
        (("orange",), "circle"),
    }
    assert ask(scene, r"How many objects (?:are there|can be seen in all)\?") == {((), "two")}


def test_yes_and_no():
    answers = ask(scene_of(RING, CROSS), r"Is there an? (\w+ \w+)\?")
    assert {pair for (pair,), answer in answers if answer == "yes"} == {"white ring", "red cross"}
    absent = {pair for (pair,), answer in answers if answer == "no"}
    assert absent.isdisjoint({"white ring", "red cross"})
    assert len(absent) > 8
    assert ask(scene_of(RING), r"Does the (?:white )?ring move\?") == {((), "yes")}


def test_all_types_are_asked_and_no_option_is_better():
    questions = [q for seed in range(600) for q in make_questions(make_scene(seed), seed)]
    assert {question.type for question in questions} == set(QUESTION_TYPES)
    for kind in TIME_TYPES:
        group = [question for question in questions if question.type == kind]
        assert all(question.answer in question.options for question in group)
        places = Counter(question.options.index(question.answer) for question in group)
        assert places[0] / len(group) == pytest.approx(0.5, abs=0.06)


def test_seed_decides():
    scene = make_scene(1)
    assert make_questions(scene, 1) == make_questions(scene, 1)
    assert make_questions(scene, 1) != make_questions(scene, random.randrange(2, 99))
