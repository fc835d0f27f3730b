# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""One's own questions, answered and scored."""

import hashlib
import json
import os
import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from transformers import ProcessorMixin

from ..modeling.vision_language_model import VisionLanguageForConditionalGeneration
from ..processing.answer_tags_tinyllava import answer_of
from ..video.limits import shorten
from .answers_file import ASKED_LENGTH, KEY, AnswersFile, superseded, take_answered
from .judge import Judge, judge_answer
from .letters import INSTRUCTION, ask_for_letters
from .metrics import METRICS, TypeScores, measure_answer, score_answers
from .quality import GivenAnswer, give_answers
from .question_rows import RIGHT_ANSWER
from .questions import ScoredQuestion, order_by_visual


# In front of an address: "https:", "data:".
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")


@dataclass(frozen=True)
class Evaluation:
    """
    Args:
        rows (`list[dict]`):
            One for each question, in their order: what its row had, `"question"`, `"type"`, `"right_answer"` and maybe `"options"`; the
            model's `"answer"`, or `"error"` in its place; what was measured of it (`"exact"`, `"f1"`, `"contains"`, `"judge"`); and
            `"selected_frames"` or `"sampled_frames"`.
        scores (`dict[str, TypeScores]`): of each type of question, and of `"all"`.
    """

    rows: list[dict[str, Any]]
    scores: dict[str, TypeScores]

    @property
    def num_errors(self) -> int:
        """Questions without an answer."""
        return self.scores["all"].num_errors

    def to_dict(self) -> dict[str, Any]:
        """The scores, for JSON."""
        return {kind: scores.to_dict() for kind, scores in self.scores.items()}


def evaluate(
    model: VisionLanguageForConditionalGeneration,
    processor: ProcessorMixin,
    questions: Sequence[ScoredQuestion],
    *,
    letters: bool = False,
    think: bool = False,
    judge: Judge | None = None,
    answers: str | os.PathLike | AnswersFile | None = None,
    overwrite: bool = False,
    on_row: Callable[[dict[str, Any]], None] | None = None,
    **options: Any,
) -> Evaluation:
    r"""
    Answers questions and scores the answers. A video or image that cannot be read gives a row with an `"error"`, and its questions
    count as answered wrongly.

    Args:
        model ([`VisionLanguageForConditionalGeneration`]): a model.
        processor ([`ProcessorMixin`]): its processor.
        questions (`Sequence[ScoredQuestion]`): what [`read_questions`] returns, or one's own.
        letters (`bool`, defaults to `False`):
            Show the options of those questions that have some, and ask for a letter: see [`ask_for_letters`].
        think (`bool`, defaults to `False`): have TinyLLaVA-Video-R1 think first, and score what its answer tag holds.
        judge (`Callable[[str, str, str], float]`, *optional*):
            Called with the question, the right answer and the model's, where these are words; returns how right it is, 0 to 1.
        answers (`str`, *optional*):
            A `.jsonl` or `.parquet` file that each row is written to as it comes. If it is there already, of a run with the same
            settings, what it has is not asked again. Or an [`AnswersFile`], which brings its own settings.
        overwrite (`bool`, defaults to `False`): replace the file of answers instead.
        on_row (`Callable[[dict], None]`, *optional*): called with each row as it comes, also with those of the file.
        options: as of [`give_answers`], such as `batch_size`, `num_workers`, `shuffle_frames` and `max_new_tokens`.

    Returns:
        [`Evaluation`]: rows and scores.

    Raises:
        ValueError: if there is no question, letters are asked for and no question has options, or on what [`give_answers`] refuses.
        FileExistsError: if the file of answers is of something else, or another run writes to it.

    Example:

    ```python
    >>> from transformers_mvgpt.evaluation import evaluate, read_questions

    >>> result = evaluate(model, processor, read_questions("questions.jsonl"), answers="answers.jsonl")
    >>> result.scores["all"].metrics["exact"]
    Estimate(value=0.9, low=0.69..., high=0.97...)
    ```"""
    asked = questions_as_asked(questions, letters, think)
    if answers is not None and not isinstance(answers, AnswersFile):
        run = describe_run(model.name_or_path, letters=letters, think=think, **options)
        answers = AnswersFile(answers, run, overwrite)
    with nullcontext() if answers is None else answers.claimed():
        rows = _answer(
            model, processor, questions, asked, think, judge, answers, on_row or (lambda row: None), options
        )
    measured = [{name: row[name] for name in METRICS if name in row} for row in rows]
    return Evaluation(rows, score_answers(asked, measured, ["error" not in row for row in rows]))


def _answer(
    model: VisionLanguageForConditionalGeneration,
    processor: ProcessorMixin,
    questions: Sequence[ScoredQuestion],
    asked: Sequence[ScoredQuestion],
    think: bool,
    judge: Judge | None,
    answers: AnswersFile | None,
    on_row: Callable[[dict[str, Any]], None],
    options: Mapping[str, Any],
) -> list[dict[str, Any]]:
    """The rows of all questions, those of the file among them, which the others are added to."""
    keys = _keys_of(asked)
    rows = take_answered(answers.rows if answers else [], keys)
    if answers is not None:
        answers.drop(superseded(answers.rows, keys, rows))
    for row in filter(None, rows):
        on_row(row)
    places = [place for place in order_by_visual(asked) if rows[place] is None]
    variables = {"template_variables": {"think": True}} if think else {}
    given = give_answers(
        model, processor, [asked[place] for place in places], on_error="return", **{**options, **variables}
    )
    for place, answer in zip(places, given, strict=True):
        row = _make_row(questions[place], asked[place], answer, think, judge) | {KEY: keys[place]}
        if answers is not None:
            answers.append(row)
        rows[place] = row
        on_row(row)
    if answers is not None:
        answers.finish()
    return [row for row in rows if row is not None]


def questions_as_asked(questions: Sequence[ScoredQuestion], letters: bool, think: bool) -> list[ScoredQuestion]:
    """
    The questions, with their options where letters are asked for.

    Raises:
        ValueError: if there is no question, letters are asked for and no question has options, or as [`ask_for_letters`].
    """
    if not questions:
        raise ValueError("There are no questions to answer.")
    if letters and not any(question.options for question in questions):
        raise ValueError("No question has `options` to choose from: leave out `letters=True`.")
    # what is to be thought about needs no other instruction
    instruction = "" if think else INSTRUCTION
    return [
        ask_for_letters([question], instruction)[0] if letters and question.options else question
        for question in questions
    ]


def describe_run(model: str, **settings: Any) -> dict[str, Any]:
    """A model, and those settings that answers depend on and that are not the defaults, for the rows of a file."""
    free = {"num_workers", "batch_size"}
    given = {name: value for name, value in sorted(settings.items()) if value and name not in free}
    return {"model": os.path.realpath(model) if os.path.isdir(model) else model, **given}


def _make_row(
    question: ScoredQuestion, asked: ScoredQuestion, given: GivenAnswer, think: bool, judge: Judge | None
) -> dict[str, Any]:
    """
    Args:
        question ([`ScoredQuestion`]): as it was read.
        asked ([`ScoredQuestion`]): the same, as it was asked.
    """
    visual = question.visual
    if not isinstance(visual, str):
        visual = os.fspath(visual) if isinstance(visual, os.PathLike) else _describe_visual(visual)
    row = _without_bytes(question.row)
    if not {question.modality, f"{question.modality}s"} & row.keys():
        row = {question.modality: visual, **row}
    row |= {"type": question.type, "question": question.question, RIGHT_ANSWER: question.answer}
    if question.options:
        row["options"] = list(question.choices or question.options)
    if question.chat:
        row["messages"] = list(question.chat)
    row |= {"answer": given.text} if given.error is None else {"error": given.error}
    text = answer_of(given.text) if think else given.text
    row |= measure_answer(asked, text)
    if judge is not None and not asked.choices:
        row["judge"] = 0.0 if given.error else judge_answer(judge, question.question, question.answer, text)
    return row | given.frames


def _without_bytes(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: _describe_visual(value) if isinstance(value, (bytes, Mapping)) and key in ("image", "video") else value
        for key, value in row.items()
    }


def _describe_visual(visual: Any) -> str:
    """A video or picture that is no path, by its kind."""
    if isinstance(visual, Mapping):
        return visual.get("path") or _describe_visual(visual.get("bytes"))
    return f"<{len(visual)} bytes>" if isinstance(visual, bytes) else shorten(visual)


def _keys_of(asked: Sequence[ScoredQuestion]) -> list[str]:
    """
    A digest of each question: of all that its answer depends on in the first [`ASKED_LENGTH`] characters, and behind them of what its
    score depends on.
    """
    keys = []
    objects: dict[int, str] = {}
    for question in asked:
        modality, visual, *segment = question.encoding_key
        if isinstance(visual, int):
            if visual not in objects:
                objects[visual] = _digest_of_object(question.visual)
            visual = objects[visual]
        elif not isinstance(question.visual, bytes):
            visual = _real_path(visual)
        what = _digest(modality, visual, *segment, question.question, question.chat)[:ASKED_LENGTH]
        keys.append(what + _digest(question.type, question.answer, question.options, question.choices)[:8])
    return keys


def _digest_of_object(visual: Any) -> str:
    """Of frames and pictures in memory, their values; no other run has the same of other objects."""
    if isinstance(visual, (list, tuple)):
        return _digest(*map(_digest_of_object, visual))
    if isinstance(visual, torch.Tensor):
        # in a type that NumPy has
        visual = (visual.float() if visual.is_floating_point() else visual).numpy(force=True)
    if not callable(getattr(visual, "tobytes", None)):
        return uuid.uuid4().hex
    layout = [getattr(visual, name, None) for name in ("shape", "dtype", "size", "mode")]
    return _digest(hashlib.sha256(visual.tobytes()).hexdigest(), *map(str, layout))


def _real_path(name: str) -> str:
    """One name for a file, however its path is spelled and wherever the process runs. Addresses stay."""
    if _SCHEME.match(name):
        return name
    try:
        return os.path.realpath(name)
    except ValueError:  # a zero, or half of a surrogate pair: nothing can be opened there
        return os.path.abspath(name)


def _digest(*values: Any) -> str:
    text = json.dumps(values, default=str)
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
