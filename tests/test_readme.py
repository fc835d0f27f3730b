# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The Python in README.md runs, with a drawn clip and an untrained checkpoint, and gives the outputs that it shows."""

import ast
import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from transformers_mvgpt.demo import Clip, write_clip
from transformers_mvgpt.demo.scene import Actor, Scene
from untrained_release import write_checkpoint


README = (Path(__file__).parents[1] / "README.md").read_text("utf-8")
PYTHON = "".join(re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL))
PUBLISHED = "Amshaker/Mobile-VideoGPT-0.5B"
SCENE = Scene(
    actors=(
        Actor("square", "red", "moves", size=0.208, start=(0.125, 0.3), end=(0.875, 0.3), direction="right"),
        Actor("circle", "blue", "moves", size=0.208, start=(0.7, 0.125), end=(0.7, 0.875), direction="down"),
    ),
    background=(90, 85, 80),
    fade=0,
)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for name, num_frames in (("clip.mp4", 96), ("other.mp4", 24)):
        write_clip(Clip(SCENE, [], width=240, height=240, fps=24, num_frames=num_frames), tmp_path / name)
    write_checkpoint(tmp_path / PUBLISHED)
    Image.new("RGB", (64, 48), "red").save(tmp_path / "image.png")
    monkeypatch.chdir(tmp_path)


def test_python_gives_the_outputs_shown(folder):
    namespace: dict[str, Any] = {"__name__": "readme"}
    shown = 0
    lines = PYTHON.splitlines()
    for statement in ast.parse(PYTHON).body:
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
    assert shown == len(re.findall(r"^# ", PYTHON, re.MULTILINE))
