# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""What is to be reached on an H100 or H200, beside what was measured."""

from typing import Any, NamedTuple


class Row(NamedTuple):
    """
    Args:
        what (`str`): is measured.
        value (`float` or `None`): of it; `None` where it was not measured.
        unit (`str`): of value and goal.
        goal (`float` or `None`): what is to be reached.
        is_least (`bool`): whether the goal is the least, not the most.
    """

    what: str
    value: float | None
    unit: str
    goal: float | None = None
    is_least: bool = False

    @property
    def is_reached(self) -> bool | None:
        """`None` where there is no goal or no value."""
        if self.value is None or self.goal is None:
            return None
        return self.value >= self.goal if self.is_least else self.value <= self.goal

    def cells(self) -> list[str]:
        """For a table."""
        value = "not measured" if self.value is None else f"{self.value:.3g} {self.unit}".strip()
        goal = (
            "" if self.goal is None else f"at {'least' if self.is_least else 'most'} {self.goal:g} {self.unit}".strip()
        )
        return [self.what, value, goal, {True: "reached", False: "missed", None: ""}[self.is_reached]]


def speed_rows(result: dict[str, Any]) -> list[Row]:
    """Of a result of `mvgpt bench 0.5b`, or `{}`."""
    parts = {part["part"]: part["seconds"] for part in result.get("parts", ())}
    baselines = result.get("baselines", {})
    batches = {batch["batch_size"]: batch for batch in result.get("batches", ())}

    def milliseconds(name: str) -> float | None:
        return 1000 * parts[name] if name in parts else None

    def share(name: str, ours: str) -> float | None:
        baseline = baselines.get(name, {})
        return baseline[ours] / baseline["seconds"] if ours in baseline else None

    def rate(size: int) -> float | None:
        return batches[size]["tokens_per_second"] if size in batches else None

    rows = [
        Row("first token, eager", milliseconds("first token, eager"), "ms", 45),
        Row("first token, third call", milliseconds("first token"), "ms", 12),
        Row("first token, cuda_graphs_enable()", milliseconds("first token, CUDA graphs enabled"), "ms", 12),
        Row("file to first token", milliseconds("file to first token"), "ms"),
        Row(
            "file to first token, preprocessed on the GPU",
            milliseconds("file to first token, preprocessed on the GPU"),
            "ms",
        ),
    ]
    for name, eager_goal in (("llava-onevision-0.5b", 0.7), ("smolvlm2-500m", 0.9)):
        rows.append(Row(f"eager / {name}", share(name, "our_eager_seconds"), "", eager_goal))
        rows.append(Row(f"third call / {name}", share(name, "our_seconds"), "", 0.35))
    others = [name for name in baselines if name not in ("llava-onevision-0.5b", "smolvlm2-500m")]
    rows += [Row(f"third call / {name}", share(name, "our_seconds"), "") for name in others]
    rows += [
        Row("tokens per second, batch 1", rate(1), "", 500, is_least=True),
        Row("tokens per second, batch 8", rate(8), ""),
        Row("tokens per second, batch 32", rate(32), "", 8000, is_least=True),
    ]
    recorded = result.get("recorded_bytes")
    rows.append(Row("memory of recordings", None if recorded is None else recorded / 1e9, "GB", 1))
    return rows


# 1.3 times what mamba-ssm 2.3.2 took on an H100, in ms: by dtype and batch size.
_TRAINING_GOALS = {("bfloat16", 1): 0.81, ("bfloat16", 8): 3.54}


def scan_rows(records: list[dict[str, Any]]) -> list[Row]:
    """Of what `scans.py` has measured."""
    found = {(record["dtype"], record["batch_size"], record["implementation"]): record for record in records}
    rows = []
    for dtype in ("bfloat16", "float32"):
        for batch_size in (1, 8):
            ours, theirs = (found.get((dtype, batch_size, name), {}) for name in ("triton", "mamba_ssm"))
            for what, key, goal in (
                ("forward", "forward_seconds", None),
                ("forward and backward", "training_seconds", _TRAINING_GOALS.get((dtype, batch_size))),
            ):
                title = f"scan {what}, {dtype}, batch {batch_size}"
                rows.append(Row(title, _times_1000(ours.get(key)), "ms", goal))
                if key in theirs:
                    rows.append(Row(f"{title}, mamba-ssm", _times_1000(theirs[key]), "ms"))
    return rows


def _times_1000(seconds: float | None) -> float | None:
    return None if seconds is None else 1000 * seconds
