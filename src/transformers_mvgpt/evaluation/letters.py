# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Multiple choice: questions whose options have letters, as the published models were asked, and the letter in an answer."""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ..video.limits import shorten
from .options import LETTERS, check_distinct, find_option
from .questions import ScoredQuestion
from .text_metrics import is_same_answer


# Of MobileVLM and TinyLLaVA-Video.
INSTRUCTION = "Answer with the option's letter from the given choices directly."
# "B", "B.", "(B) red", "B: red", but not "A red cross"
_FIRST = re.compile(r"\(?([A-Z])(?:[).:,]|$)")
# "The answer is (b)." or "Option B", but not "The answer is a red cross"
_NAMED = re.compile(r"\b(?i:answer|option|choice)(?i: is)?:? (?:\(?([A-Z])|\(([a-z]))\b")


def ask_for_letters(questions: Sequence[ScoredQuestion], instruction: str = INSTRUCTION) -> list[ScoredQuestion]:
    """
    The questions with their options below, `A. red` on a line each, and an instruction on the last line. Answers and options are
    letters then. A question that asks for a letter already stays as it is.

    Args:
        questions (`Sequence[ScoredQuestion]`): with options, one of which is the answer.
        instruction (`str`): what to do; without a text, no line for it.

    Raises:
        ValueError: if there are no options, too many or two that are the same, or the answer is none of them.
    """
    asked = []
    for question in questions:
        if question.choices:
            asked.append(question)
            continue
        letters = LETTERS[: len(question.options)]
        if question.answer not in question.options or len(letters) < len(question.options):
            raise ValueError(
                f"The question {shorten(question.question)!r} has {len(question.options)} options, and its answer is "
                f"{shorten(question.answer)!r}: letters need at most {len(LETTERS)} `options`, one of which is the "
                "answer."
            )
        check_distinct(question.options)
        lines = [f"{letter}. {option}" for letter, option in zip(letters, question.options, strict=True)]
        text = "\n".join([question.question, *lines, *([instruction] if instruction else [])])
        asked.append(replace(question, question=text, **letter_choices(question.options, question.answer)))
    return asked


def letter_choices(choices: Sequence[str], answer: str) -> dict[str, Any]:
    """
    The fields `choices`, `options` and `answer` of a question that is to be answered with a letter; none if the answer, a text or a
    letter, is no choice.
    """
    try:
        place = find_option(answer, choices)
    except ValueError:
        return {}
    return {"choices": tuple(choices), "options": tuple(LETTERS[: len(choices)]), "answer": LETTERS[place]}


def letter_of(answer: str, options: Sequence[str] = ()) -> str:
    """
    The letter that an answer begins with or names, or that of the option whose text it is; `""` if there is none. An answer that
    cannot be read is a wrong one here, and no random option.

    Args:
        answer (`str`): of a model.
        options (`Sequence[str]`): texts of the options.
    """
    text = answer.strip()
    found = _FIRST.match(text) or _NAMED.search(text)
    if found:
        return "".join(filter(None, found.groups())).upper()
    return next((LETTERS[place] for place, option in enumerate(options) if is_same_answer(text, option)), "")
