# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
import re

from train_tiny.still_questions import HELD_OUT_PAIRS, STILL_TYPES, make_picture, make_still_questions
from transformers_mvgpt.demo.scene import COLORS, SHAPES, Actor, Scene


def actor(color, shape, x, y):
    return Actor(shape, color, "stays", 0.3, (x, y), (x, y))


SCENE = Scene((actor("red", "circle", 0.2, 0.3), actor("blue", "square", 0.8, 0.7)), (50, 50, 50), 0)


def answers(pattern, scene=SCENE):
    asked = {q.text: q.answer for seed in range(200) for q in make_still_questions(scene, seed)}
    return {text: answer for text, answer in asked.items() if re.fullmatch(pattern, text)}


def test_answers_say_where_things_are():
    assert answers("Is the circle in the .*half.") == {
        "Is the circle in the left or the right half?": "left",
        "Is the circle in the right or the left half?": "left",
        "Is the circle in the upper or the lower half?": "upper",
        "Is the circle in the lower or the upper half?": "upper",
    }
    assert set(answers("Is the circle to the .*square.").values()) == {"left"}
    assert set(answers("Is the square to the .*circle.").values()) == {"right"}
    assert set(answers("Is the circle (above|below).*square.").values()) == {"above"}
    assert set(answers("Is the square (above|below).*circle.").values()) == {"below"}


def test_what_is_too_close_is_not_asked_about():
    beside = Scene((actor("red", "circle", 0.5, 0.48), actor("blue", "square", 0.53, 0.52)), (50, 50, 50), 0)
    assert answers(".*half.|.*left.*|.*above.*", beside) == {}
    assert set(answers("How many.*", beside).values()) == {"two"}


def test_every_question_has_one_answer_that_it_offers():
    for seed in range(50):
        questions = make_still_questions(make_picture(seed), seed, num_draws=4)
        assert len({question.text for question in questions}) == len(questions)
        assert {question.type for question in questions} <= set(STILL_TYPES)
        assert all(question.answer in question.options for question in questions if question.options)
    drawn = [question for seed in range(50) for question in make_still_questions(make_picture(seed), seed)]
    assert {question.type for question in drawn} == set(STILL_TYPES)


def test_some_pairs_are_in_the_test_alone():
    assert len(HELD_OUT_PAIRS) == len(SHAPES)
    assert {shape for _, shape in HELD_OUT_PAIRS} == set(SHAPES)
    assert all(color in COLORS for color, _ in HELD_OUT_PAIRS)

    def share(split):
        scenes = [make_picture(seed, split) for seed in range(200)]
        return sum(any((a.color, a.shape) in HELD_OUT_PAIRS for a in scene.actors) for scene in scenes) / 200

    assert share("train") == 0
    assert 0.4 < share("test") < 0.6
    assert make_picture(3) == make_picture(3) != make_picture(3, "test")
