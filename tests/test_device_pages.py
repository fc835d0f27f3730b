# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Commands on the pages about devices are those that there are."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from transformers_mvgpt.cli.main import app
from transformers_mvgpt.demo import CLIP


ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "docs" / f"{name}.md" for name in ("on_device", "phones", "boards")]
COMMANDS = [
    (page.name, line)
    for page in PAGES
    for block in re.findall(r"^```bash\n(.*?)^```", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    for line in block.replace("\\\n", " ").splitlines()
]
PACKAGES = "onnxruntime numpy av tokenizers jinja2"


@pytest.mark.parametrize(
    ("page", "line"), [each for each in COMMANDS if each[1].startswith("mvgpt ")], ids=lambda text: text[:40]
)
def test_options_of_our_commands(page, line):
    """As far as the command would go before it loads a model."""
    command = typer.main.get_command(app)
    name, *arguments = shlex.split(line, comments=True)[1:]
    context = command.make_context("mvgpt", [name])
    sub_command = command.get_command(context, name)
    assert sub_command is not None, name
    sub_command.make_context(name, arguments, parent=context)


def test_what_a_device_installs():
    installs = {line for _, line in COMMANDS if line.startswith("pip install onnxruntime")}
    assert installs == {f"pip install {PACKAGES}"}
    assert {name for name, line in COMMANDS if line.startswith("pip install onnxruntime")} == {
        "on_device.md",
        "boards.md",
    }
    [download] = [line for _, line in COMMANDS if line.startswith("pip download")]
    assert download.endswith(f" {PACKAGES}")


def test_the_folder_answers(exported_folder):
    [line] = {line for name, line in COMMANDS if name == "on_device.md" and line.startswith("python ")}
    _, script, video, question = shlex.split(line)
    assert (script, video) == ("small-onnx/mvgpt_onnx.py", "clip.mp4")
    folder = exported_folder("mobile_videogpt")
    result = subprocess.run(
        [sys.executable, str(folder / "mvgpt_onnx.py"), str(CLIP), question], capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("The circle is blue and moves up. The cross is red and flashes.")
