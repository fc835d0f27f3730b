# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
import pytest

from transformers_mvgpt.evaluation import ScoredQuestion
from transformers_mvgpt.evaluation.intervals import wilson_interval
from transformers_mvgpt.evaluation.metrics import is_right, measure_answer, score_answers
from transformers_mvgpt.evaluation.text_metrics import contains_answer, token_f1


@pytest.mark.parametrize(
    ("answer", "right", "f1"),
    [
        ("The red cross.", "a red cross", 1),
        ("the cat sat", "Cat sat down", 0.8),  # two of two, two of three
        ("red red", "red blue", 0.5),  # a word counts as often as it is in both
        ("green", "red", 0),
        ("", "red", 0),
        ("The.", "a", 1),
    ],
)
def test_f1_of_words(answer, right, f1):
    assert token_f1(answer, right) == pytest.approx(f1)


@pytest.mark.parametrize(
    ("answer", "right", "holds"),
    [
        ("It is a red cross.", "Red cross", True),
        ("It is a cross that is red", "red cross", False),
        ("It is redder", "red", False),
        ("", "red", False),
        ("“Red”, I think", "red", True),
        ("The", "the", True),
        ("anything", "the", False),
    ],
)
def test_answers_that_hold_the_right_one(answer, right, holds):
    assert contains_answer(answer, right) is holds


OPEN = ScoredQuestion("a.mp4", "open", "What?", "a red cross")
CHOICE = ScoredQuestion("b.mp4", "choice", "Which?\nA. red\nB. blue", "B", ("A", "B"), choices=("red", "blue"))


@pytest.mark.parametrize("right", ["a", "the", ".", "", "?!"])
def test_no_answer_is_0_whatever_the_right_one_is(right):
    question = ScoredQuestion("a.mp4", "open", "What?", right)
    for answer in ("", " \n"):
        assert measure_answer(question, answer) == {"exact": 0, "f1": 0, "contains": 0}
        assert not is_right(question, answer)
    assert not is_right(ScoredQuestion("b.mp4", "choice", "Which?", "A", ("A", "B"), choices=("", "blue")), "")


def test_what_is_measured_of_an_answer():
    assert measure_answer(OPEN, "red") == {"exact": 0, "f1": pytest.approx(2 / 3), "contains": 0}
    assert measure_answer(CHOICE, "(B) blue") == {"exact": 1}
    assert measure_answer(CHOICE, "blue") == {"exact": 1}
    assert measure_answer(CHOICE, "") == {"exact": 0}


def test_scores_of_types():
    measured = [
        measure_answer(OPEN, "A red cross"),
        measure_answer(OPEN, ""),
        measure_answer(CHOICE, "B"),
        {"exact": 0.0},
    ]
    scores = score_answers([OPEN, OPEN, CHOICE, CHOICE], measured, [True, False, True, True])
    assert list(scores) == ["open", "choice", "all"]
    assert (scores["open"].num_questions, scores["open"].num_visuals, scores["open"].num_errors) == (2, 1, 1)
    assert list(scores["open"].metrics) == ["exact", "f1", "contains"]
    assert list(scores["choice"].metrics) == ["exact"]
    assert scores["all"].metrics["exact"].value == 0.5
    # of those answered in words
    assert scores["all"].metrics["f1"].value == 0.5
    assert (scores["all"].metrics["exact"].low, scores["all"].metrics["exact"].high) == wilson_interval(0.5, 4)
    assert [one.guesser for one in scores.values()] == [1, 1, 1]
