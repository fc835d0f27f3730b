# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
import numpy as np
import pytest

from transformers_mvgpt.evaluation.options import find_option, lettered_lines, read_options


@pytest.mark.parametrize(
    "value",
    [
        ["red", "a blue one"],
        ("red", "a blue one"),
        np.array(["red", "a blue one"]),
        ["A. red", "B. a blue one"],
        ["(A) red", "(B) a blue one"],
        {"A": "red", "B": "a blue one", "C": None},
        "A. red\nB. a blue one",
        "A) red\n\n B) a blue one\n",
        "A. red B. a blue one",
        "(A) red (B) a blue one",
        '["red", "a blue one"]',
        '{"B": "a blue one", "A": "red"}',
        "[A] red [B] a blue one",
    ],
    ids=str,
)
def test_forms_of_options(value):
    assert read_options(value) == ("red", "a blue one")


@pytest.mark.parametrize("value", [None, "", [], (), "[]", np.array([])], ids=str)
def test_no_options(value):
    assert read_options(value) == ()


@pytest.mark.parametrize(
    "value", ["red", "B. red A. blue", "red A. one B. two", 3, {"x": "red"}, {"B": "red"}], ids=str
)
def test_what_is_no_options(value):
    with pytest.raises(ValueError, match="`options` is .*, neither a list nor a text with a letter in front of each"):
        read_options(value)


def test_lists_of_other_things():
    with pytest.raises(ValueError, match=r"`options` has 'None', not a text or number"):
        read_options(["red", None])


def test_letters_are_no_options_where_others_stand_between():
    """Texts that happen to begin with a letter stay whole, if not all do."""
    assert read_options(["A. red", "blue"]) == ("A. red", "blue")
    assert lettered_lines("Which is it?\nA. red\nB. blue\nOne letter.") == ("red", "blue")
    assert lettered_lines("A. red") == ()
    assert lettered_lines("B. red\nA. blue") == ()


@pytest.mark.parametrize(
    ("answer", "index"),
    [("blue", 1), ("Blue.", 1), ("B", 1), ("b", 1), ("(B)", 1), ("B.", 1), ("B. blue", 1), ("(B) blue", 1), (1, 1), ("1", 1), (1.0, 1), (0, 0)],
)  # fmt: skip
def test_forms_of_the_answer(answer, index):
    assert find_option(answer, ("red", "blue")) == index


@pytest.mark.parametrize("answer", ["green", "C", 2, -1, "2", "B. red", True, float("nan"), 10**400], ids=str)
def test_answers_that_are_no_option(answer):
    with pytest.raises(ValueError, match="`answer` is '.*', none of the 2 `options`: give the text of one"):
        find_option(answer, ("red", "blue"))


def test_numbers_that_are_options():
    """A text is a text. A number may be the index of another: then it is not guessed."""
    options = ("2", "1", "3")
    assert find_option("1", options) == 1
    assert find_option("0", options) == 0
    assert find_option(1, options) == 1
    with pytest.raises(ValueError, match="`answer` is 2, the text of one option and maybe the index of another"):
        find_option(2, options)
    assert find_option("B", ("B", "A")) == 0
