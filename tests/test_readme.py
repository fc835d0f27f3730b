# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""README.md keeps to its length, and its pictures are there and small. tests/test_pages.py runs its Python and its commands."""

import re
from pathlib import Path

import numpy as np
from PIL import Image

from readme_pictures import IMAGES, MAX_BYTES, QUESTION, THEMES, ask_small_model, draw_data_flow, write_picture


ROOT = Path(__file__).parents[1]


def test_readme_shows_a_passing_run_of_the_tests():
    text = (ROOT / "README.md").read_text("utf-8")
    assert re.search(r"^\$ make test\n\.\.\.\n=+ \d+ passed, \d+ skipped", text, re.MULTILINE)


def test_readme_is_short():
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) <= 170


def test_fewer_bits_are_those_of_the_page():
    """What the page about precision says in short stands in its longer tables."""
    page = (ROOT / "docs" / "precision.md").read_text("utf-8")
    rows = re.findall(r"^\| (bfloat16|int8|int4) \| ([\d.]+ ms) \| (\d+ MB) \| ([\d.]+) % \|$", page, re.M)
    assert [row[0] for row in rows] == ["bfloat16", "int8", "int4"]
    for weights, token, memory, changed in rows:
        speed = "bfloat16" if weights == "bfloat16" else f"{weights}, the rest in bfloat16"
        assert re.search(rf"^\| {speed} \|.*\| {memory} \|$", page, re.M)
        assert re.search(rf"^\| {weights} \| [\d.]+ s \| {token} \|$", page, re.M)
        assert re.search(rf"^\| {weights} \| [\d.]+% \| {changed}% \|", page, re.M)


def test_pictures_are_small_and_in_light_and_dark():
    names = re.findall(r'(?:src|srcset)="docs/images/(\w+\.png)"', (ROOT / "README.md").read_text("utf-8"))
    assert sorted(names) == sorted(f"{name}_{theme}.png" for name in ("data_flow", "answer") for theme in THEMES)
    for name in names:
        assert (ROOT / "docs" / "images" / name).stat().st_size <= MAX_BYTES


def test_pictures_can_be_made_again(tmp_path):
    """`make pictures` draws the data flow, and the frames of the answer that README shows."""
    for theme in THEMES:
        write_picture([draw_data_flow(theme)], tmp_path / "picture.png")
        made, kept = (Image.open(path) for path in (tmp_path / "picture.png", IMAGES / f"data_flow_{theme}.png"))
        assert made.size == kept.size
        # fonts may differ a little between releases of matplotlib
        assert np.abs(np.asarray(made.convert("L"), float) - np.asarray(kept.convert("L"), float)).mean() < 3
    text = (ROOT / "README.md").read_text("utf-8")
    [line] = re.findall(rf'^\$ mvgpt ask \S+/clip\.mp4 "{QUESTION}"\n(.*)$', text, re.M)
    assert ask_small_model()["generated_text"] == line
    # who cannot see the picture is told what is written in it
    assert f'<img alt="Question: {QUESTION} Answer: {line} ' in text
