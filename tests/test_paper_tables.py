# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The commands on `docs/paper_tables.md` are written rightly, and its numbers are those that cards tell."""

import json
import re
import shlex
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import click
import pytest
import typer

from transformers_mvgpt.cli.main import app
from transformers_mvgpt.families import FAMILIES


ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "paper_tables.md").read_text("utf-8")
KNOWN = json.loads((ROOT / "tests" / "data" / "lmms_eval_tasks.json").read_text("utf-8"))
COMMANDS = [
    shlex.split(line)
    for block in re.findall(r"^```bash\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    for line in block.splitlines()
]
PUBLISHED = {model.repository: model for family in FAMILIES for model in family.published.models}
LMMS_OPTIONS = {"--model", "--model_args", "--tasks", "--batch_size", "--output_path"}
SECTIONS = {title: text for title, text in re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)}


def test_commands_of_lmms_eval():
    """Their options, published models and tasks, each of which its table names."""
    commands = [words for words in COMMANDS if words[0] == "lmms-eval"]
    assert len(commands) == 17
    for words in commands:
        assert words[:4] == ["lmms-eval", "eval", "--model", "mvgpt"]
        assert words[-1] == "--log_samples"
        options = dict(zip(words[2:-1:2], words[3:-1:2], strict=True))
        assert options.keys() == LMMS_OPTIONS
        arguments = dict(argument.split("=") for argument in options["--model_args"].split(","))
        assert arguments.pop("pretrained") in PUBLISHED
        assert arguments in ({}, {"dtype": "float32"})
        assert options["--tasks"] in KNOWN["tasks"]


def test_commands_of_mvgpt():
    """All their arguments are read, and nothing is run."""
    commands = [words for words in COMMANDS if words[0] == "mvgpt"]
    assert len(commands) == 2
    group = typer.main.get_command(app)
    for _, name, *arguments in commands:
        with click.Context(group) as context:
            command = group.get_command(context, name)
            values = command.make_context(name, list(arguments), parent=context).params
        assert values["model"] in PUBLISHED
        assert values["letters"]
        with pytest.raises(Exception, match="No such option: --thinking"):
            command.make_context(name, [*arguments, "--thinking"], parent=context)


def test_tasks_that_the_text_names():
    """What looks like a task in the tables is one."""
    named = {name for row in re.findall(r"^\|.*", PAGE, re.MULTILINE) for name in re.findall(r"`([a-z_]+)`", row)}
    named -= {"ocr", "dtype", "mme_perception_score"}
    assert {"mvbench_fine_grained_pose", "videomme_w_subtitle", "pope_full", "egoschema_subset"} <= named
    assert named <= set(KNOWN["tasks"])
    assert KNOWN["lmms_eval"] in PAGE


def test_tasks_are_those_of_the_installed_lmms_eval():
    try:
        installed = version("lmms-eval")
    except PackageNotFoundError:
        pytest.skip("lmms-eval is not installed")
    assert installed == KNOWN["lmms_eval"]


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_numbers(family):
    """The table of a family has all scores that its cards have, under the names that these have."""
    section = SECTIONS[family.name]
    rows = [
        [cell.strip(" `") for cell in line.strip("|").split("|")]
        for line in section.splitlines()
        if line.startswith("| `") or line.startswith("| model ")
    ]
    header, *rows = rows
    shown = {
        row[0]: {name: float(cell) for name, cell in zip(header[1:], row[1:], strict=True) if cell} for row in rows
    }
    assert shown == {model.repository: dict(model.scores) for model in family.published.models if model.scores}
    assert family.paper in section
