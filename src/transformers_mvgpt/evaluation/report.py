# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Scores as a table and as a picture."""

import os
from collections.abc import Mapping


Scores = Mapping[str, Mapping[str, float]]


def score_table(scores: Scores) -> str:
    """
    Markdown with a row for each of `scores` and a column for each type of question, in percent.

    Args:
        scores (`dict[str, dict[str, float]]`): by name, what [`score_by_type`] returns.
    """
    kinds = _kinds(scores)
    lines = ["| | " + " | ".join(kind.replace("_", "/") for kind in kinds) + " |", "|---" * (len(kinds) + 1) + "|"]
    for name, row in scores.items():
        cells = [f"{100 * row[kind]:.1f}" if kind in row else "" for kind in kinds]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def draw_scores(scores: Scores, path: str | os.PathLike) -> None:
    """
    Draws the table as bars, those of a type of question side by side.

    Args:
        scores (`dict[str, dict[str, float]]`): as for [`score_table`].
        path (`str`): the picture to write.

    Raises:
        ImportError: without matplotlib.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError("Drawing scores needs matplotlib: pip install 'transformers-mvgpt[plots]'.") from error
    kinds, width = _kinds(scores), 0.8 / len(scores)
    figure = Figure(figsize=(12, 4.5), layout="constrained")
    axes = figure.subplots()
    for number, (name, row) in enumerate(scores.items()):
        places = [index + (number - (len(scores) - 1) / 2) * width for index in range(len(kinds))]
        axes.bar(places, [100 * row.get(kind, 0) for kind in kinds], width, label=name)
    axes.set_xticks(range(len(kinds)), [kind.replace("_", "/") for kind in kinds])
    axes.set(ylabel="exact answers, %", ylim=(0, 100))
    axes.grid(axis="y", alpha=0.3)
    figure.legend(loc="outside lower center", ncols=min(5, len(scores)))
    figure.savefig(path, dpi=100)


def _kinds(scores: Scores) -> list[str]:
    """Types of question in the order of the first row, all of them together at the end."""
    kinds = list(dict.fromkeys(kind for row in scores.values() for kind in row if kind != "all"))
    return [*kinds, "all"]
