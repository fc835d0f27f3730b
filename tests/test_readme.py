# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
The Python in README.md and `docs/` runs and gives the outputs that it shows: that of README with the small model, that of the pages
with a drawn clip and an untrained checkpoint, and that about devices with the small model as ONNX files.
"""

import ast
import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from code_blocks import PAGES, RUN_PAGES, python_of
from transformers_mvgpt.demo import Clip, write_clip
from transformers_mvgpt.demo.scene import Actor, Scene
from untrained_release import write_checkpoint


ROOT = Path(__file__).parents[1]
PUBLISHED = "Amshaker/Mobile-VideoGPT-0.5B"
SCENE = Scene(
    actors=(
        Actor("square", "red", "moves", size=0.208, start=(0.125, 0.3), end=(0.875, 0.3), direction="right"),
        Actor("circle", "blue", "moves", size=0.208, start=(0.7, 0.125), end=(0.7, 0.875), direction="down"),
    ),
    background=(90, 85, 80),
    fade=0,
)


WITH_PYTHON = [page for page in RUN_PAGES if python_of(page)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory, exported_folder) -> Path:
    folder = tmp_path_factory.mktemp("readme")
    for name, num_frames in (("clip.mp4", 96), ("other.mp4", 24)):
        write_clip(Clip(SCENE, [], width=240, height=240, fps=24, num_frames=num_frames), folder / name)
    write_checkpoint(folder / PUBLISHED)
    Image.new("RGB", (64, 48), "red").save(folder / "image.png")
    (folder / "small-onnx").symlink_to(exported_folder("mobile_videogpt"))
    return folder


def test_readme_and_pages_have_python():
    assert {page.name for page in WITH_PYTHON} >= {
        "README.md",
        "evaluation.md",
        "many_videos.md",
        "model.md",
        "on_device.md",
        "pipeline.md",
        "precision.md",
        "speed.md",
    }


@pytest.mark.parametrize("page", WITH_PYTHON, ids=lambda page: page.name)
def test_python_gives_the_outputs_shown(folder, monkeypatch, page):
    monkeypatch.chdir(folder)
    namespace: dict[str, Any] = {"__name__": "readme"}
    shown = 0
    code = python_of(page)
    lines = code.splitlines()
    for statement in ast.parse(code).body:
        source = "\n".join(lines[statement.lineno - 1 : statement.end_lineno])
        if not isinstance(statement, ast.Expr):
            exec(source, namespace)
            continue
        value = eval(source.partition("  # ")[0], namespace)
        comment = lines[statement.end_lineno] if statement.end_lineno < len(lines) else ""
        if comment.startswith("# "):
            pattern = re.escape(comment.removeprefix("# ")).replace(r"\.\.\.", ".*")
            assert re.fullmatch(pattern, repr(value), re.DOTALL), f"{source}\ngives {value!r}"
            shown += 1
    assert shown == len(re.findall(r"^# ", code, re.MULTILINE))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    text = page.read_text("utf-8")
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith(("http://", "https://")):
            continue
        path, _, anchor = target.partition("#")
        linked = page.parent / path if path else page
        assert linked.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.*)$", linked.read_text("utf-8"), re.MULTILINE)
            assert anchor in {
                re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-") for heading in headings
            }, target


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
