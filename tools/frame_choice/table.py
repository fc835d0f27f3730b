# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The results as a table in a page, between two comments."""

from pathlib import Path
from typing import Any


BEGIN, END = "<!-- begin: make frame-choice -->", "<!-- end -->"
_WAYS = {
    "scores": '`"scores"`, as published',
    "uniform": '`"uniform"`',
    "rarest": '`"rarest"`',
    "chance": "at random",
}


def table(results: dict[str, Any]) -> str:
    """Markdown, of what `frame_choice.json` holds."""
    rare, answers = results["rare_frames"], results["answers"]
    number = rare["num_clips"]
    lines = [
        f"| frames chosen | nothing else moves: found in, of {number} | another shape moves: found in, of {number} | "
        f"right answers, of {answers['num_questions']} | other answers than as published |",
        "|---|---|---|---|---|",
    ]
    for way, name in _WAYS.items():
        cells = [rare["still"][way], rare["moving"][way], "", ""]
        if way in answers:
            right, (low, high) = answers[way]["right"], answers[way]["interval"]
            share = 100 * right / answers["num_questions"]
            cells[2:] = [f"{right} ({share:.1f} %, {low} to {high})", answers[way]["others_than_published"]]
        lines.append(f"| {name} | " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines) + "\n"


def replace_table(page: Path, results: dict[str, Any]) -> None:
    """Writes the table between the comments of a page."""
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text(f"{before}{BEGIN}\n\n{table(results)}\n{END}{after}", encoding="utf-8")
