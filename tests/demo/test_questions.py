# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
import random
import re
from collections import Counter
from dataclasses import replace

import pytest

from transformers_mvgpt.demo.questions import (
    MOMENT_QUESTION,
    QUESTION_TYPES,
    TIME_TYPES,
    describe,
    describe_moment,
    make_practice_questions,
    make_questions,
    make_training_questions,
)
from transformers_mvgpt.demo.scene import Actor, Scene, make_scene, make_still


PLACE = {"size": 0.25, "start": (0.5, 0.5), "end": (0.5, 0.5)}
RING = Actor("ring", "white", "moves", 0.25, (0.8, 0.2), (0.2, 0.2), direction="left")
CROSS = Actor("cross", "red", "visits", **PLACE, enters=0.1, leaves=0.3)
CIRCLE = Actor("circle", "orange", "visits", **PLACE, enters=0.4, leaves=0.7)
SQUARE = Actor("square", "blue", "changes", **PLACE, changes_at=0.5, new_colour="green")
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


def test_moment_tells_what_is_visible():
    scene = scene_of(RING, CROSS, CIRCLE, SQUARE)
    assert describe_moment(scene, 0.2) == "A blue square, a red cross, a white ring."
    assert describe_moment(scene, 0.6) == "An orange circle, a green square, a white ring."
    assert describe_moment(scene_of(CIRCLE), 0.0) == "Nothing."


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


def test_change_of_colour():
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


def test_colour_shape_and_count():
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


def test_training_questions_are_many_and_short_but_for_a_description_in_some():
    drawn = [make_training_questions(make_scene(seed), seed) for seed in range(200)]
    assert all(len({question.text for question in questions}) == len(questions) for questions in drawn)
    described = [[q for q in questions if q.type == "description"] for questions in drawn]
    assert max(map(len, described)) == 1
    assert 0.4 < sum(map(len, described)) / 200 < 0.6
    short = [len(questions) - len(found) for questions, found in zip(drawn, described, strict=True)]
    assert max(short) == 10
    assert {question.type for questions in drawn for question in questions} == set(QUESTION_TYPES)
    scene = make_scene(3)
    possible = {(q.text, q.answer) for seed in range(300) for q in make_questions(scene, seed)}
    assert {(q.text, q.answer) for q in make_training_questions(scene, 3)} <= possible


def test_training_questions_about_a_picture_ask_for_no_motion():
    drawn = [q for seed in range(60) for q in make_training_questions(make_still(seed), seed, about="picture")]
    assert {question.type for question in drawn} == {"colour", "shape", "count", "yes_no", "description"}
    assert not any(re.search("move|flash", question.text) for question in drawn)
    scene = make_still(2)
    described = {
        (q.text, q.answer)
        for seed in range(30)
        for q in make_training_questions(scene, seed, about="picture")
        if q.type == "description"
    }
    assert described == {(MOMENT_QUESTION, describe_moment(scene, 0.0))}


def test_training_questions_about_a_clip_in_which_all_stay_do_ask_for_motion():
    asked = {q.text for seed in range(30) for q in make_training_questions(make_still(2), seed)}
    assert {"Does anything flash?", "Describe the video."} <= asked
    assert MOMENT_QUESTION not in asked


def test_training_questions_about_events_are_about_little_else():
    drawn = [make_training_questions(make_scene(seed), seed, about="events") for seed in range(200)]
    events = {"direction", "order", "duration", "brief", "description"}
    asked = [question for questions in drawn for question in questions]
    assert {question.type for question in asked} == set(QUESTION_TYPES)

    def share(questions):
        return sum(question.type in events for question in questions) / len(questions)

    others = [question for seed in range(200) for question in make_training_questions(make_scene(seed), seed)]
    assert share(asked) > share(others) + 0.1
    assert all(sum(q.type == "description" for q in questions) == 1 for questions in drawn)


def practise(scene):
    return {(q.text, q.answer) for seed in range(200) for q in make_practice_questions(scene, seed)}


def test_practice_asks_where_and_when():
    """What moves through the middle is on no side halfway; what comes and goes is asked for at each moment."""
    asked = practise(scene_of(RING, CROSS))
    assert ("Is the ring in the right or the left half at the start?", "right") in asked
    assert ("Is the white ring in the left or the right half at the end?", "left") in asked
    assert ("Is the ring in the upper or the lower half halfway?", "upper") in asked
    assert not [text for text, _ in asked if "ring in the left" in text and "halfway" in text]
    sights = {(text.split(" there ")[1], answer) for text, answer in asked if " there " in text}
    assert sights == {("at the start?", "no"), ("halfway?", "no"), ("at the end?", "no")}
    # it comes at the very time that may be halfway, and stands in the middle of the stage
    asked = practise(scene_of(CIRCLE))
    assert {text.split(" there ")[1] for text, _ in asked if " there " in text} == {"at the start?", "at the end?"}


def test_practice_asks_for_both_colours():
    asked = practise(scene_of(SQUARE))
    assert asked == {
        ("What colour is the square at the start?", "blue"),
        ("What colour is the square at the end?", "green"),
        ("What does the square do?", "The square turns from blue to green."),
    }


def test_practice_asks_what_each_does():
    asked = make_practice_questions(scene_of(RING, TRIANGLE), 0)
    assert {(q.text, q.answer) for q in asked if "do?" in q.text} == {
        ("What does the ring do?", "The ring is white and moves left."),
        ("What does the triangle do?", "The triangle is purple and flashes."),
    }


def test_practice_asks_whether_a_visit_is_early_or_late():
    late = replace(CIRCLE, enters=0.35, leaves=0.7)
    asked = practise(scene_of(CROSS, late))
    assert ("Is the cross seen early or late?", "early") in asked
    assert ("Is the orange circle seen late or early?", "late") in asked
    between = replace(CIRCLE, enters=0.3, leaves=0.5)
    assert not [text for text, _ in practise(scene_of(between)) if "early" in text]


def test_practice_about_a_still_names_no_moment():
    still = Actor("ring", "red", "stays", 0.25, (0.2, 0.8), (0.2, 0.8))
    asked = practise(scene_of(still))
    assert ("Is the red ring in the upper or the lower half?", "lower") in asked
    assert not [text for text, _ in asked if "start" in text or "end" in text or "halfway" in text]
