# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""What `docs/gguf.md` shows is what happens."""

import re
import shlex
from pathlib import Path

from typer.testing import CliRunner

from transformers_mvgpt.cli.main import app
from transformers_mvgpt.runtime.gguf_export import GGUF_TYPES


ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "gguf.md").read_text("utf-8")


def test_the_page(tmp_path, monkeypatch, exported_folder):
    blocks = re.findall(r"^```(\w+)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    [command] = [line for _, block in blocks for line in block.splitlines() if line.startswith("mvgpt ")]
    monkeypatch.chdir(tmp_path)
    Path("src").symlink_to(ROOT / "src")
    Path("small-onnx").symlink_to(exported_folder("mobile_videogpt"))
    result = CliRunner().invoke(app, shlex.split(command)[1:])
    assert result.exit_code == 0, result.output

    [code] = [block for language, block in blocks if language == "python"]
    *setup, question, answer = code.splitlines()
    names: dict[str, object] = {}
    exec("\n".join(setup), names)
    assert f"# {eval(question, names)!r}" == answer


def test_types():
    assert tuple(re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)) == GGUF_TYPES
