# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""A small `make caption-soak`: `mvgpt caption` in processes that are killed."""

import json
import os
import random

import pytest

from caption_soak import MAX_NEW_TOKENS, PROMPT, caption_command, compare, count_lines, draw, held_bytes, run_killed
from transformers_mvgpt.demo import CHECKPOINT
from transformers_mvgpt.scale import caption


def test_kills_change_nothing(tmp_path):
    generator = random.Random(0)
    draw(tmp_path / "clips", 12, 3, generator)
    *command, out = caption_command(tmp_path / "clips", CHECKPOINT)
    command += ["--batch-size", "1", out]  # slow enough to be killed in between
    options = {"prompt": PROMPT, "device": "cpu", "max_new_tokens": MAX_NEW_TOKENS}
    caption(CHECKPOINT, tmp_path / "clips", tmp_path / "undisturbed.jsonl", **options)
    moments = run_killed(command, tmp_path / "killed.jsonl", 12, 2, generator)
    assert len(moments) == 2 and 0 < moments[0] < 12
    assert compare(tmp_path / "undisturbed.jsonl", tmp_path / "killed.jsonl", 12, 3) == []


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda rows: rows[:-1], "the killed run has other clips: 3 rows"),
        (lambda rows: [*rows, rows[0]], "the killed run has other clips: 5 rows"),
        (lambda rows: rows[::-1], "the killed run has other answers, or another order"),
        (lambda rows: [{**rows[0], "answer": "x"}, *rows[1:]], "the killed run has other answers, or another order"),
    ],
)
def test_what_kills_could_change_is_found(tmp_path, change, problem):
    rows = [{"video": f"{number}.mp4", "answer": "one"} for number in range(3)] + [{"video": "3.mp4", "error": "e"}]
    paths = tmp_path / "undisturbed.jsonl", tmp_path / "killed.jsonl"
    for path, written in zip(paths, (rows, change(rows)), strict=True):
        path.write_text("".join(json.dumps(row) + "\n" for row in written))
    assert compare(*paths, 4, 1)[-1 if "order" in problem else 0] == problem
    assert compare(paths[0], paths[0], 4, 1) == []
    assert compare(paths[0], paths[0], 5, 2) == [
        "the undisturbed run has 4 rows, not one for each of 5 clips",
        "1 rows have errors, and 2 clips are damaged",
    ]
    assert count_lines(paths[0]) == 4


def test_memory_of_a_process_is_found():
    assert held_bytes(os.getpid()) > 1e7
    assert held_bytes(2**22 + 1) == 0
