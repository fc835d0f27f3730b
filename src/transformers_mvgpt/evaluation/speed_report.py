# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Measured times as a table and as a picture."""

import os
from typing import Any


def speed_table(result: dict[str, Any]) -> str:
    """
    Markdown with a row for each part of an answer, and one for each model compared.

    Args:
        result (`dict[str, Any]`): what [`measure_speed`] returns; `baselines`, by name what [`measure_baseline`] returns, where
            there are some.
    """
    lines = ["| part | milliseconds | roofline | times the roofline |", "|---|---|---|---|"]
    for part in result["parts"]:
        roofline = (
            ("", "") if part["ratio"] is None else (_milliseconds(part["roofline_seconds"]), f"{part['ratio']:.2f}")
        )
        lines.append(f"| {part['part']} | {_milliseconds(part['seconds'])} | {roofline[0]} | {roofline[1]} |")
    if batches := result.get("batches"):
        lines += ["", "| videos at once | first token, milliseconds | tokens per second |", "|---|---|---|"]
        for batch in batches:
            first_token, rate = _milliseconds(batch["first_token_seconds"]), batch["tokens_per_second"]
            lines.append(f"| {batch['batch_size']} | {first_token} | {rate:.0f} |")
    if baselines := result.get("baselines"):
        lines += ["", "| first token | milliseconds | ours / theirs |", "|---|---|---|"]
        for name, baseline in baselines.items():
            lines.append(f"| {name} | {_milliseconds(baseline['seconds'])} | {ours_to_theirs(result, baseline):.2f} |")
    return "\n".join(lines) + "\n"


def seconds_of(result: dict[str, Any], name: str) -> float:
    """Of the part with this name."""
    return next(part["seconds"] for part in result["parts"] if part["part"] == name)


def ours_to_theirs(result: dict[str, Any], baseline: dict[str, Any]) -> float:
    """
    Our time for a first token as a share of a baseline's. In results from before the two took turns, they were measured one after
    the other.
    """
    return baseline.get("our_seconds", seconds_of(result, "first token")) / baseline["seconds"]


def draw_speed(result: dict[str, Any], path: str | os.PathLike) -> None:
    """
    Draws the table as bars, the roofline inside each.

    Args:
        result (`dict[str, Any]`): as for [`speed_table`].
        path (`str`): the picture to write.

    Raises:
        ImportError: without matplotlib.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError("Drawing times needs matplotlib: pip install 'transformers-mvgpt[train]'.") from error
    bars = [(part["part"], part["seconds"], part["roofline_seconds"] or 0) for part in result["parts"]]
    bars += [
        (f"first token, {name}", baseline["seconds"], 0) for name, baseline in result.get("baselines", {}).items()
    ]
    names, seconds, rooflines = zip(*reversed(bars), strict=True)
    figure = Figure(figsize=(9, 0.4 * len(bars) + 1), layout="constrained")
    axes = figure.subplots()
    axes.barh(names, seconds, color="tab:blue", alpha=0.45, label="measured")
    axes.barh(names, rooflines, color="tab:blue", label="roofline")
    axes.set(xlabel="seconds", xscale="log")
    axes.grid(axis="x", alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=100)


def _milliseconds(seconds: float) -> str:
    return f"{1000 * seconds:.3g}" if seconds < 1 else f"{1000 * seconds:.0f}"
