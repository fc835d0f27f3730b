# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Measured times as a table and as a picture."""

import os
from typing import Any


def speed_table(result: dict[str, Any]) -> str:
    """
    Markdown with a row for each part of an answer, and one for each model compared.

    Args:
        result (`dict[str, Any]`): what [`measure_speed`] returns; `rivals`, by name what [`measure_rival`] returns, where
            there are some.
    """
    lines = ["| part | milliseconds | floor | times the floor |", "|---|---|---|---|"]
    for part in result["parts"]:
        floor = ("", "") if part["ratio"] is None else (_milliseconds(part["floor_seconds"]), f"{part['ratio']:.2f}")
        lines.append(f"| {part['part']} | {_milliseconds(part['seconds'])} | {floor[0]} | {floor[1]} |")
    if batches := result.get("batches"):
        lines += ["", "| videos at once | first token, milliseconds | later tokens per second |", "|---|---|---|"]
        for batch in batches:
            first_token, rate = _milliseconds(batch["first_token_seconds"]), batch["tokens_per_second"]
            lines.append(f"| {batch['batch_size']} | {first_token} | {rate:.0f} |")
    if rivals := result.get("rivals"):
        lines += ["", "| first token | milliseconds | ours takes, of that |", "|---|---|---|"]
        for name, rival in rivals.items():
            lines.append(f"| {name} | {_milliseconds(rival['seconds'])} | {share_of_rival(result, rival):.2f} |")
    return "\n".join(lines) + "\n"


def seconds_of(result: dict[str, Any], name: str) -> float:
    """Of the part with this name."""
    return next(part["seconds"] for part in result["parts"] if part["part"] == name)


def share_of_rival(result: dict[str, Any], rival: dict[str, Any]) -> float:
    """How much of the time of another model ours takes; in results from before the two took turns, of another minute."""
    return rival.get("our_seconds", seconds_of(result, "first token")) / rival["seconds"]


def draw_speed(result: dict[str, Any], path: str | os.PathLike) -> None:
    """
    Draws the table as bars, the floor inside each.

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
    bars = [(part["part"], part["seconds"], part["floor_seconds"] or 0) for part in result["parts"]]
    bars += [(f"first token, {name}", rival["seconds"], 0) for name, rival in result.get("rivals", {}).items()]
    names, seconds, floors = zip(*reversed(bars), strict=True)
    figure = Figure(figsize=(9, 0.4 * len(bars) + 1), layout="constrained")
    axes = figure.subplots()
    axes.barh(names, seconds, color="tab:blue", alpha=0.45, label="measured")
    axes.barh(names, floors, color="tab:blue", label="floor")
    axes.set(xlabel="seconds", xscale="log")
    axes.grid(axis="x", alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=100)


def _milliseconds(seconds: float) -> str:
    return f"{1000 * seconds:.3g}" if seconds < 1 else f"{1000 * seconds:.0f}"
