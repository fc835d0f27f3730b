# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
import re
from dataclasses import replace

from train_demo.training_questions import (
    MOMENT_QUESTION,
    describe_moment,
    make_practice_questions,
    make_training_questions,
)
from transformers_mvgpt.demo.questions import QUESTION_TYPES, make_questions
from transformers_mvgpt.demo.scene import Actor, Scene, make_scene, make_still


PLACE = {"size": 0.25, "start": (0.5, 0.5), "end": (0.5, 0.5)}
RING = Actor("ring", "white", "moves", 0.25, (0.8, 0.2), (0.2, 0.2), direction="left")
CROSS = Actor("cross", "red", "visits", **PLACE, enters=0.1, leaves=0.3)
CIRCLE = Actor("circle", "orange", "visits", **PLACE, enters=0.4, leaves=0.7)
SQUARE = Actor("square", "blue", "changes", **PLACE, changes_at=0.5, new_color="green")
TRIANGLE = Actor("triangle", "purple", "flashes", **PLACE, enters=0.3, leaves=0.4)


def scene_of(*actors):
    return Scene(actors, (50, 50, 50), 0)


def test_moment_tells_what_is_visible():
    scene = scene_of(RING, CROSS, CIRCLE, SQUARE)
    assert describe_moment(scene, 0.2) == "A blue square, a red cross, a white ring."
    assert describe_moment(scene, 0.6) == "An orange circle, a green square, a white ring."
    assert describe_moment(scene_of(CIRCLE), 0.0) == "Nothing."


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


def practice_asked(scene):
    return {(q.text, q.answer) for seed in range(200) for q in make_practice_questions(scene, seed)}


def test_practice_asks_where_and_when():
    """What moves through the middle is on no side halfway; what comes and goes is asked for at each moment."""
    asked = practice_asked(scene_of(RING, CROSS))
    assert ("Is the ring in the right or the left half at the start?", "right") in asked
    assert ("Is the white ring in the left or the right half at the end?", "left") in asked
    assert ("Is the ring in the upper or the lower half halfway?", "upper") in asked
    assert not [text for text, _ in asked if "ring in the left" in text and "halfway" in text]
    sights = {(text.split(" there ")[1], answer) for text, answer in asked if " there " in text}
    assert sights == {("at the start?", "no"), ("halfway?", "no"), ("at the end?", "no")}
    # it comes at the very time that may be halfway, and stands in the middle of the stage
    asked = practice_asked(scene_of(CIRCLE))
    assert {text.split(" there ")[1] for text, _ in asked if " there " in text} == {"at the start?", "at the end?"}


def test_practice_asks_for_both_colors():
    asked = practice_asked(scene_of(SQUARE))
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
    asked = practice_asked(scene_of(CROSS, late))
    assert ("Is the cross seen early or late?", "early") in asked
    assert ("Is the orange circle seen late or early?", "late") in asked
    between = replace(CIRCLE, enters=0.3, leaves=0.5)
    assert not [text for text, _ in practice_asked(scene_of(between)) if "early" in text]


def test_practice_about_a_still_names_no_moment():
    still = Actor("ring", "red", "stays", 0.25, (0.2, 0.8), (0.2, 0.8))
    asked = practice_asked(scene_of(still))
    assert ("Is the red ring in the upper or the lower half?", "lower") in asked
    assert not [text for text, _ in asked if "start" in text or "end" in text or "halfway" in text]
