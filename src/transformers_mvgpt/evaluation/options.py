# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The options of a multiple-choice question in the forms that people keep them in, and which of them the right answer is."""

import json
import re
import string
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..video.limits import shorten
from .text_metrics import is_same_answer


LETTERS = string.ascii_uppercase
# "A. red", "(A) red", "A) red", "A: red"
_LETTERED = re.compile(r"\s*[(\[]?([A-Z])[)\].:]\s+(\S.*)")
_BETWEEN = re.compile(r"(?:^|\s)[(\[]?([A-Z])[)\].:]\s+")
_LETTER = re.compile(r"\(?([A-Za-z])[).:]?")


def read_options(value: Any) -> tuple[str, ...]:
    """
    Args:
        value: a list of texts, with letters in front (`A. red`) or without; a mapping of letters to texts; a text with a letter in
            front of each option, on lines of their own or behind each other; a list or a mapping as JSON; or nothing.

    Returns:
        `tuple[str, ...]`: the texts, without letters.

    Raises:
        ValueError: if it is something else.
    """
    if isinstance(value, str) and value.lstrip()[:1] in ("[", "{"):
        try:
            value = json.loads(value)
        except ValueError:
            pass  # "[A] red [B] blue"
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if value is None or value == "" or value == [] or value == ():
        return ()
    if isinstance(value, Mapping):
        # Arrow gives all rows the same letters
        given = sorted((str(letter).strip(), text) for letter, text in value.items() if text is not None)
        if [letter for letter, _ in given] == list(LETTERS[: len(given)]):
            return tuple(_text(text) for _, text in given)
    elif isinstance(value, str):
        if options := lettered_lines(value) or _lettered_text(value):
            return options
    elif isinstance(value, Sequence):
        texts = tuple(_text(text) for text in value)
        return lettered_lines("\n".join(texts), whole=True) or texts
    raise ValueError(
        f"`options` is {shorten(value)!r}, neither a list nor a text with a letter in front of each (`A. red`)"
    )


def check_distinct(options: Sequence[str]) -> None:
    """
    Raises:
        ValueError: if two options are the same answer, so that nothing tells which of them is meant.
    """
    for place, option in enumerate(options):
        for other in options[:place]:
            if is_same_answer(option, other):
                raise ValueError(
                    f"the options {shorten(other)!r} and {shorten(option)!r} are the same answer: take out or correct one"
                )


def lettered_lines(text: str, whole: bool = False) -> tuple[str, ...]:
    """
    The options that stand in a text on lines of their own, `A. red` and so on in the order of the alphabet; none if there are fewer than
    two. With `whole`, also none if there are other lines.
    """
    options: list[str] = []
    lines = text.splitlines()
    for line in lines:
        found = _LETTERED.fullmatch(line)
        if found and len(options) < len(LETTERS) and found[1] == LETTERS[len(options)]:
            options.append(found[2].strip())
    return tuple(options) if len(options) >= 2 and not (whole and len(options) < len(lines)) else ()


def _lettered_text(text: str) -> tuple[str, ...]:
    """The same of options behind each other in one line."""
    places: list[tuple[int, int]] = []
    for found in _BETWEEN.finditer(text):
        if len(places) < len(LETTERS) and found[1] == LETTERS[len(places)]:
            places.append(found.span())
    if len(places) < 2 or text[: places[0][0]].strip():
        return ()
    ends = [start for start, _ in places[1:]] + [len(text)]
    return tuple(text[end:next_start].strip() for (_, end), next_start in zip(places, ends, strict=True))


def find_option(answer: Any, options: Sequence[str]) -> int:
    """
    Which of the options an answer is: one that has its text, else one with its letter (`B`, `(B)`, `B. blue`), else the one with its index,
    from 0.

    Raises:
        ValueError: if it is none of them, or a number that is the text of one option and the index of another.
    """
    number = _whole_number(answer)
    text = str(number) if number is not None else str(answer).strip()
    index = next((place for place, option in enumerate(options) if is_same_answer(text, option)), None)
    if index is not None and number is not None and not isinstance(answer, str) and number != index:
        raise ValueError(
            f"`answer` is {number}, the text of one option and maybe the index of another: give its letter"
        )
    if index is None and (found := _LETTER.fullmatch(text)):
        index = LETTERS.index(found[1].upper())
    if index is None and (found := _LETTERED.fullmatch(text)):
        index = LETTERS.index(found[1])
        if index >= len(options) or not is_same_answer(found[2], options[index]):
            index = None
    index = number if index is None else index
    if index is None or not 0 <= index < len(options):
        raise ValueError(
            f"`answer` is {shorten(answer)!r}, none of the {len(options)} `options`: give the text of one, its letter, or its index "
            "from 0"
        )
    return index


def _whole_number(value: Any) -> int | None:
    """Also of a number as CSV and pandas have it, "1" and 1.0."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    return int(value) if isinstance(value, str) and re.fullmatch(r"\s*\d+\s*", value) else None


def _text(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise ValueError(f"`options` has {shorten(value)!r}, not a text or number")
    return str(value)
