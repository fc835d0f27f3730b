# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
import pytest

from transformers_mvgpt.evaluation import ScoredQuestion, guess_answers, score_by_type
from transformers_mvgpt.evaluation.letters import ask_for_letters, letter_of


QUESTION = ScoredQuestion("clip.mp4", "color", "What color is it?", "blue", ("red", "blue"))


def test_questions_as_the_published_models_were_asked():
    [asked] = ask_for_letters([QUESTION])
    assert asked.question == (
        "What color is it?\nA. red\nB. blue\nAnswer with the option's letter from the given choices directly."
    )
    assert (asked.video, asked.type, asked.answer, asked.options) == ("clip.mp4", "color", "B", ("A", "B"))
    [bare] = ask_for_letters([QUESTION], "")
    assert bare.question == "What color is it?\nA. red\nB. blue"
    assert score_by_type([asked, bare], ["B", "A"])["all"] == 0.5
    assert guess_answers([asked, bare]) == ["B", "B"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            (),
            r"The question 'What color is it\?' has 0 options, and its answer is 'blue': letters need at most 26 `opt",
        ),
        (("red", "green"), "has 2 options, and its answer is 'blue'"),
        (("blue", *map(str, range(26))), "has 27 options"),
        (("red", "blue", "Blue"), "the options 'blue' and 'Blue' are the same answer"),
    ],
)
def test_questions_without_letters_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        ask_for_letters([ScoredQuestion("clip.mp4", "color", "What color is it?", "blue", options)])


@pytest.mark.parametrize(
    ("answer", "letter"),
    [
        ("B", "B"),
        (" B.", "B"),
        ("(B) blue", "B"),
        ("B: blue", "B"),
        ("The answer is (b).", "B"),
        ("Option C", "C"),
        ("ANSWER: (C", "C"),
        ("The answer is a blue circle.", ""),
        ("Blue.", "B"),
        ("A blue circle", ""),
        ("Because it is blue", ""),
        ("", ""),
    ],
)
def test_letter_of_an_answer(answer, letter):
    assert letter_of(answer, ("red", "blue")) == letter
