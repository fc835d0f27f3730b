# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""What is right of a model's answers, by type of question."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from .guesser import guess_answers
from .intervals import Estimate, estimate_mean
from .letters import letter_of
from .questions import ALL, ScoredQuestion
from .text_metrics import contains_answer, is_same_answer, token_f1


# In the order of a table.
METRICS = ("exact", "f1", "contains", "judge")


@dataclass(frozen=True)
class TypeScores:
    """
    What the answers to the questions of one type are worth.

    Args:
        num_questions (`int`): with those that have no answer.
        num_visuals (`int`): videos and images that they are about.
        num_errors (`int`): questions without an answer, because their video could not be read. They count as wrong.
        metrics (`dict[str, Estimate]`):
            `"exact"` of all questions, the share of right letters where a letter was asked for, else of exact answers; `"f1"` and
            `"contains"` of those answered in words; `"judge"` of those that a judge has scored.
        guesser (`float`): the share of exact answers of [`guess_answers`].
    """

    num_questions: int
    num_visuals: int
    num_errors: int
    metrics: dict[str, Estimate]
    guesser: float

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def is_right(question: ScoredQuestion, answer: str) -> bool:
    """
    Whether an answer is exactly the right one, or names its letter where a letter was asked for. No answer, `""`, is never right.
    """
    if not answer.strip():
        return False
    if question.choices:
        return letter_of(answer, question.choices) == question.answer
    return is_same_answer(answer, question.answer)


def measure_answer(question: ScoredQuestion, answer: str) -> dict[str, float]:
    """
    `"exact"` of an answer, 0 or 1, and where it is one in words, `"f1"` and `"contains"`, 0 to 1. No answer, `""`, is 0 in all,
    whatever the right one is.
    """
    if not answer.strip():
        return dict.fromkeys(("exact",) if question.choices else ("exact", "f1", "contains"), 0.0)
    measured = {"exact": float(is_right(question, answer))}
    if not question.choices:
        measured["f1"] = token_f1(answer, question.answer)
        measured["contains"] = float(contains_answer(answer, question.answer))
    return measured


def score_answers(
    questions: Sequence[ScoredQuestion], measured: Sequence[Mapping[str, float]], has_answer: Sequence[bool]
) -> dict[str, TypeScores]:
    """
    Args:
        questions (`Sequence[ScoredQuestion]`): what was asked.
        measured (`Sequence[Mapping[str, float]]`): of the answer to each, any of [`METRICS`], 0 to 1.
        has_answer (`Sequence[bool]`): whether there is one.

    Returns:
        `dict[str, TypeScores]`: for each type, in the order of their first question, and `"all"`.
    """
    guesses = guess_answers(questions)
    places: dict[str, list[int]] = {}
    for place, question in enumerate(questions):
        places.setdefault(question.type, []).append(place)
    scores = {}
    for kind, chosen in {**places, ALL: list(range(len(questions)))}.items():
        metrics = {}
        for name in METRICS:
            counted = [place for place in chosen if name in measured[place]]
            if counted:
                values = [measured[place][name] for place in counted]
                metrics[name] = estimate_mean(values, [questions[place].visual_key for place in counted])
        scores[kind] = TypeScores(
            num_questions=len(chosen),
            num_visuals=len({questions[place].visual_key for place in chosen}),
            num_errors=sum(not has_answer[place] for place in chosen),
            metrics=metrics,
            guesser=sum(is_right(questions[place], guesses[place]) for place in chosen) / len(chosen),
        )
    return scores


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
        results.setdefault(question.type, []).append(is_right(question, answer))
    scores = {kind: sum(rights) / len(rights) for kind, rights in results.items()}
    return {**scores, ALL: sum(map(sum, results.values())) / len(questions)}
