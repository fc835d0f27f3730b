# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Measured times as a table and as a picture."""

import json
import os
from collections.abc import Callable
from pathlib import Path
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
        lines += ["", *baseline_rows(result, baselines, _milliseconds, "milliseconds")]
    if left_out := result.get("left_out"):
        lines += ["", *(f"Not measured: {reason}" for reason in left_out.values())]
    return "\n".join(lines) + "\n"


def baseline_rows(
    result: dict[str, Any], baselines: dict[str, Any], show: Callable[[float], str], unit: str
) -> list[str]:
    """
    Markdown: what a first token of ours takes, then for each baseline the size of a frame and tokens of the prompt, its time, and ours
    as a share of it. Columns in which nothing was measured are left out.

    Args:
        result (`dict[str, Any]`): as for [`speed_table`].
        baselines (`dict[str, Any]`): of the result.
        show (`Callable`): what a time in seconds looks like.
        unit (`str`): of that; `""` where it says it.
    """
    has_eager = any("our_eager_seconds" in baseline for baseline in baselines.values())
    has_compiled = any("compiled_seconds" in baseline for baseline in baselines.values())
    has_sizes = any("frame_size" in baseline for baseline in baselines.values())
    header = ["first token", *(["frame", "prompt"] if has_sizes else []), unit]
    header += ["compiled"] if has_compiled else []
    header += ["ours / theirs", "ours without CUDA graphs / theirs"] if has_eager else ["ours / theirs"]
    lines = [f"| {' | '.join(header)} |", "|---" * len(header) + "|"]
    for name, baseline in baselines.items():
        cells = [name + (r" \*" if baseline.get("slower_without") else "")]
        if has_sizes:
            size = baseline.get("frame_size")
            cells += [
                f"{size[0]} x {size[1]}" if size else "",
                f"{baseline['num_prompt_tokens']} tokens" if size else "",
            ]
        cells.append(show(baseline["seconds"]))
        if has_compiled:
            seconds = baseline.get("compiled_seconds")
            cells.append(show(seconds) if seconds else "fails" if baseline.get("compiled_error") else "")
        cells.append(f"{ours_to_theirs(result, baseline):.2f}")
        if has_eager:
            eager = baseline.get("our_eager_seconds")
            cells.append(f"{eager / baseline['seconds']:.2f}" if eager else "")
        lines.append(f"| {' | '.join(cells)} |")
    missing = {package: None for baseline in baselines.values() for package in baseline.get("slower_without", ())}
    if missing:
        lines += ["", rf"\* transformers' own slower code: {' and '.join(missing)} not installed."]
    return lines


def read_result(file: Path, known: dict[str, Any]) -> dict[str, Any]:
    """
    What was kept of a measurement, to go on with.

    Args:
        file (`Path`): written by `mvgpt bench`.
        known (`dict[str, Any]`): what must be the same in it: model, runs, machine.

    Raises:
        ValueError: if the file is something else, or of another measurement.
    """
    try:
        result = json.loads(file.read_text(encoding="utf-8"))
    except ValueError:
        result = None
    if not isinstance(result, dict) or not {"parts", "baselines"} <= result.keys():
        raise ValueError(f"{file} holds no result of `mvgpt bench`: choose another file, or leave out `--resume`.")
    for name, value in known.items():
        if result.get(name) != value:
            raise ValueError(
                f"{file} has {name} {result.get(name)}, and this run {value}: choose another file, or leave out `--resume`."
            )
    return {"left_out": {}, **result}


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
        raise ImportError("Drawing times needs matplotlib: pip install 'transformers-mvgpt[plots]'.") from error
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
    # as plain numbers: formulas, such as powers of ten, would be looked for in a dozen fonts, and warned of where one is missing
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter("")
    axes.grid(axis="x", alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=100)


def _milliseconds(seconds: float) -> str:
    return f"{1000 * seconds:.3g}" if seconds < 1 else f"{1000 * seconds:.0f}"
