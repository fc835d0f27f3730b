# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""README.md keeps to its length and says what other pages say. tests/test_pages.py runs its Python."""

import re
from pathlib import Path


ROOT = Path(__file__).parents[1]


def test_readme_shows_a_passing_run_of_the_tests():
    text = (ROOT / "README.md").read_text("utf-8")
    assert re.search(r"^\$ make test\n\.\.\.\n=+ \d+ passed, \d+ skipped", text, re.MULTILINE)


def test_readme_is_short():
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) <= 200


def test_fewer_bits_are_those_of_the_page():
    """What README says of quantization stands on its page."""
    rows = re.findall(
        r"^\| (bfloat16|int8|int4) \| ([\d.]+ ms) \| (\d+ MB) \| ([\d.]+) % \|$",
        (ROOT / "README.md").read_text("utf-8"),
        re.M,
    )
    assert [row[0] for row in rows] == ["bfloat16", "int8", "int4"]
    page = (ROOT / "docs" / "precision.md").read_text("utf-8")
    for weights, token, memory, changed in rows:
        speed = "bfloat16" if weights == "bfloat16" else f"{weights}, the rest in bfloat16"
        assert re.search(rf"^\| {speed} \|.*\| {memory} \|$", page, re.M)
        assert re.search(rf"^\| {weights} \| [\d.]+ s \| {token} \|$", page, re.M)
        assert re.search(rf"^\| {weights} \| [\d.]+% \| {changed}% \|", page, re.M)
