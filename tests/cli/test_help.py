# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Help texts are whole, however narrow the terminal is."""

import re
from dataclasses import fields

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from transformers_mvgpt.cli.main import app
from transformers_mvgpt.cli.recipe_help import first_sentence
from transformers_mvgpt.training.recipe import SHIPPED_RECIPES, LoraSettings, Recipe


COMMANDS = get_command(app).commands
WIDTHS = [60, 80]


def read_help(*arguments: str, width: int) -> str:
    result = CliRunner().invoke(app, [*arguments, "--help"], terminal_width=width)
    assert result.exit_code == 0
    assert max(map(len, result.output.splitlines())) <= width
    return result.output


@pytest.mark.parametrize("width", WIDTHS)
def test_each_command_has_a_whole_line(width):
    text = " ".join(read_help(width=width).split())
    for name, command in COMMANDS.items():
        assert f" {name} {first_sentence(command.help)}" in text


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_a_command_is_whole(name, width):
    # Without white space: a word that is too long for its column goes on in the next line.
    text = "".join(read_help(name, width=width).split())
    command = COMMANDS[name]
    assert "".join(command.help.split()) in text
    for parameter in command.params:
        assert "".join((parameter.help or "").split()) in text


def sections(text: str) -> dict[str, dict[str, str]]:
    """For each section of a help text, its entries and their text in one line."""
    parts = re.split(r"^(\S.*):\n", text, flags=re.MULTILINE)[1:]
    return {
        title: {
            name: " ".join(meaning.split())
            for name, meaning in re.findall(r"^  (\S.*?)(?:  +|\n +)((?:.|\n {3,})*)", body, re.MULTILINE)
        }
        for title, body in zip(parts[::2], parts[1::2], strict=True)
    }


@pytest.mark.parametrize("width", WIDTHS)
def test_help_of_train_names_recipes_and_keys(width):
    found = sections(read_help("train", width=width))
    recipes = found["Recipes of the package"]
    assert list(recipes) == sorted(path.stem for path in SHIPPED_RECIPES.glob("*.yaml"))
    for name, meaning in recipes.items():
        stage, _, size = name.rpartition("_")
        numbers = {"video_projector": 1, "image_projector": 2, "instruction": 3}
        if size not in ("0.5b", "1.5b"):
            numbers = {"video_projector": 1, "image_projector": 1, "pretraining": 1, "instruction": 2, "lora": 2}
        assert meaning.startswith(f"Stage {numbers[stage]} of ")
        assert meaning.endswith(".")

    keys = {name: meaning for names, meaning in found["Keys of a recipe"].items() for name in names.split(", ")}
    assert sorted(keys) == sorted(
        [*(field.name for field in fields(Recipe)), *(f"lora.{field.name}" for field in fields(LoraSettings))]
    )
    for name, meaning in keys.items():
        assert re.fullmatch(r"[A-Z\"].+ \[(required|default: .+)\]", meaning), name
    assert keys["learning_rate"].endswith("[required]")
    assert keys["batch_size"].endswith("[default: 8]")
    assert keys["media_folder"].endswith("[default: null]")
    assert keys["lora"].endswith('[default: {"r": 128, "alpha": 256, "dropout": 0.05}]')
    assert keys["lora.dropout"].endswith("[default: 0.05]")
