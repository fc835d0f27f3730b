# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Scores as a table for a terminal."""

from collections.abc import Mapping

from .intervals import CONFIDENCE, Estimate
from .metrics import METRICS, TypeScores
from .questions import ALL


_NAMES = {"exact": "exact", "f1": "F1", "contains": "contains", "judge": "judge"}


def score_lines(scores: Mapping[str, TypeScores]) -> list[str]:
    """
    A line for each type of question, with intervals in brackets, in percent; and what is to be known of them.

    Args:
        scores (`Mapping[str, TypeScores]`): of types, and of `"all"`.
    """
    names = [name for name in METRICS if any(name in one.metrics for one in scores.values())]
    has_errors = scores[ALL].num_errors > 0
    header = ["type", "questions", *(_NAMES[name] for name in names), "guesser", *(["unread"] if has_errors else [])]
    rows = [header]
    for kind, one in scores.items():
        cells = [_show(one.metrics.get(name)) for name in names]
        errors = [str(one.num_errors)] if has_errors else []
        rows.append([kind, str(one.num_questions), *cells, f"{one.guesser:.1%}", *errors])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(
            cell.ljust(width) if place == 0 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    return [*lines, *_notes(scores[ALL])]


def _show(estimate: Estimate | None) -> str:
    if estimate is None:
        return "-"
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:.1%}"
    return f"{estimate.value:.1%} [{100 * estimate.low:.1f}, {100 * estimate.high:.1f}]"


def _notes(scores: TypeScores) -> list[str]:
    notes = [
        f"{scores.num_questions} questions about {scores.num_visuals} videos or images; in brackets, intervals at {CONFIDENCE:.0%}."
    ]
    if errors := scores.num_errors:
        answered = scores.num_questions - errors
        right = scores.metrics["exact"].value * scores.num_questions
        share = f" Of the {answered} others, {right / answered:.1%} are answered exactly." if answered else ""
        noun, counts = (
            ("question has no answer, since it or its video", "counts")
            if errors == 1
            else ("questions have no answer, since they or their videos", "count")
        )
        notes.append(f"{errors} {noun} could not be read, and {counts} as answered wrongly.{share}")
    return notes
