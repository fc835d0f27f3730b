# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Files of questions about videos and images, and scores of the answers to them."""

import json
import os
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ..training.media_folder import MediaFolder
from ..training.row_keys import DESCRIPTIVE_KEYS
from ..video.limits import shorten


# `mvgpt evaluate --answers` writes the last.
_KEYS = {"video", "image", "type", "question", "answer", "options", "given"}


@dataclass(frozen=True)
class ScoredQuestion:
    """
    Args:
        video (`str`, *optional*): path of the video, if it is about one.
        type (`str`): what kind of question it is; scores are given for each.
        question (`str`): its text.
        answer (`str`): the right answer.
        options (`tuple[str, ...]`): the answers between which the question itself lets choose, in its order.
        image (`str`, *optional*): path of the image, if it is about one.
    """

    video: str | None
    type: str
    question: str
    answer: str
    options: tuple[str, ...] = ()
    image: str | None = None

    @property
    def modality(self) -> Literal["image", "video"]:
        return "video" if self.image is None else "image"


def read_questions(
    path: str | os.PathLike, media_folder: str | os.PathLike | None = None, media_anywhere: bool = False
) -> list[ScoredQuestion]:
    """
    Reads questions from a JSONL file whose lines have the fields of [`ScoredQuestion`].

    Args:
        path (`str`): the file.
        media_folder (`str`, *optional*): what paths of videos are relative to, and do not leave; the folder of the file by
            default.
        media_anywhere (`bool`, defaults to `False`): whether absolute paths, `..` and links may leave that folder.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if a line is not JSON, lacks a field or has an unknown one, or names a file outside of the folder, or if there are
            no questions.
    """
    path = Path(path)
    media = MediaFolder(path.parent if media_folder is None else media_folder, media_anywhere)
    questions = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
            if not isinstance(record, dict):
                raise TypeError(f"{type(record).__name__}")
            if unknown := [key for key in record if key not in _KEYS | DESCRIPTIVE_KEYS]:
                raise ValueError(f"unknown key `{shorten(unknown[0])}`")
            given = [name for name in ("video", "image") if record.get(name) is not None]
            if len(given) == 2:
                raise ValueError("both `video` and `image`")
            [modality] = given or ["video"]
            fields: dict[str, Any] = {
                name: _text(record[name], name) for name in (modality, "type", "question", "answer")
            }
            options = record.get("options") or []
            if not isinstance(options, list):
                raise ValueError(f"`options` is {shorten(options)!r}, not a list")
            fields[modality] = os.fspath(media.locate(fields[modality], modality))
            options = tuple(_text(option, "options") for option in options)
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f"{path}, line {number}: not a question ({type(error).__name__}: {error}). A line is a JSON object with "
                "`video` or `image`, `type`, `question`, `answer` and maybe `options`."
            ) from error
        questions.append(ScoredQuestion(**{"video": None, **fields}, options=options))
    if not questions:
        raise ValueError(f"{path} holds no questions.")
    return questions


def _text(value: Any, name: str) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise ValueError(f"`{name}` is {shorten(value)!r}, not a text or number")
    return str(value)


def score_by_type(questions: Sequence[ScoredQuestion], answers: Sequence[str]) -> dict[str, float]:
    """
    Share of exact answers, 0 to 1: of each type, in the order of their first question, and `"all"`.

    Raises:
        ValueError: if there are not as many answers as questions.
    """
    if len(questions) != len(answers):
        raise ValueError(f"There are {len(answers)} answers to {len(questions)} questions.")
    results: dict[str, list[bool]] = {}
    for question, answer in zip(questions, answers, strict=True):
        results.setdefault(question.type, []).append(is_same_answer(answer, question.answer))
    scores = {kind: sum(rights) / len(rights) for kind, rights in results.items()}
    return {**scores, "all": sum(map(sum, results.values())) / len(questions)}


def guess_answers(questions: Sequence[ScoredQuestion]) -> list[str]:
    """
    What one would answer who has seen nothing but knows these answers: for each type the most frequent answer, or
    the most frequent place among the options that a question names, whichever is right more often.
    """
    of_type: dict[str, list[ScoredQuestion]] = defaultdict(list)
    for question in questions:
        of_type[question.type].append(question)
    guesses: dict[str, str | int] = {}
    for kind, group in of_type.items():
        [(answer, frequency)] = Counter(question.answer for question in group).most_common(1)
        places = Counter(
            question.options.index(question.answer) for question in group if question.answer in question.options
        )
        guesses[kind] = answer
        if places and places.most_common(1)[0][1] > frequency:
            guesses[kind] = places.most_common(1)[0][0]
    answers = []
    for question in questions:
        guess = guesses[question.type]
        if isinstance(guess, int):
            guess = question.options[guess] if guess < len(question.options) else ""
        answers.append(guess)
    return answers


def is_same_answer(answer: str, other: str) -> bool:
    """Whether two answers differ at most in case, white space around them and a full stop at their end."""
    one, two = (text.strip().rstrip(".").casefold() for text in (answer, other))
    return one == two
