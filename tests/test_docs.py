# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The figures in `docs/` are those of the files that they come from."""

import json
from pathlib import Path

from train_demo.ablations import ABLATIONS
from train_demo.build import SCORES_FILE
from transformers_mvgpt.demo import CHECKPOINT
from transformers_mvgpt.evaluation.report import score_table


DOCS = Path(__file__).parents[1] / "docs"


def test_scores_of_the_small_model():
    page = (DOCS / "small_model.md").read_text("utf-8")
    results = json.loads((CHECKPOINT / SCORES_FILE).read_text("utf-8"))
    assert score_table(results["scores"]) in page
    for part, seconds in results["seconds"].items():
        assert f"| {seconds / 60:.1f} |" in next(
            line for line in page.splitlines() if line.startswith(f"| {part.replace('_', ' ')} ")
        )
    assert f"| all | | {sum(results['seconds'].values()) / 60:.1f} |" in page
    for name, value in results["machine"].items():
        assert str(value) in page, name


def test_what_the_parts_are_worth():
    page = (DOCS / "small_model.md").read_text("utf-8")
    results = json.loads((DOCS / "ablations" / "ablations.json").read_text("utf-8"))
    assert list(results) == [*ABLATIONS, "guesser"]
    table = score_table({name: result["scores"] for name, result in results.items()})
    assert table in page
    assert (DOCS / "ablations" / "ablations.md").read_text("utf-8") == table
    assert "(ablations/ablations.png)" in page
    assert (DOCS / "ablations" / "ablations.png").is_file()
