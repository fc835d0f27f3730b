# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""What `mvgpt train --help` says of recipes. It is read from the recipes and from the docstring of [`Recipe`]."""

import inspect
import json
import re
from collections.abc import Iterator
from dataclasses import MISSING, Field, asdict, fields

from typer.core import TyperCommand


class TrainCommand(TyperCommand):
    """A command whose help ends with the recipes of the package and the keys of a recipe."""

    def format_epilog(self, ctx, formatter):
        from ..training.recipe import LoraSettings, Recipe

        with formatter.section("Recipes of the package"):
            formatter.write_dl(list(_shipped_recipes()))
        with formatter.section("Keys of a recipe"):
            rows = [*_keys(Recipe), *_keys(LoraSettings, "lora.")]
            formatter.write_dl(rows, col_max=20)


def _shipped_recipes() -> Iterator[tuple[str, str]]:
    """Names, and the first sentence of the comment on top of the file."""
    from ..training.recipe import SHIPPED_RECIPES

    for path in sorted(SHIPPED_RECIPES.glob("*.yaml")):
        comment, _, _ = path.read_text("utf-8").removeprefix("# ").replace("\n# ", " ").partition("\n")
        yield path.stem, first_sentence(comment)


def first_sentence(text: str) -> str:
    """Of a text with any line breaks, with its full stop."""
    sentence, _, _ = " ".join(text.split()).partition(". ")
    return sentence.removesuffix(".") + "."


def _keys(settings: type, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Names of a dataclass's fields, and their meaning and default as in YAML. Fields described together stay together."""
    by_name = {field.name: field for field in fields(settings)}
    for names, meaning in _described_args(settings.__doc__ or ""):
        defaults = dict.fromkeys(_default(by_name[name]) for name in names)
        yield ", ".join(prefix + name for name in names), " ".join([meaning[:1].upper() + meaning[1:], *defaults])


def _described_args(docstring: str) -> Iterator[tuple[list[str], str]]:
    """Of a section `Args`: the names of each entry, and its text without marks of the docstring's dialect."""
    section = re.search(r"^Args:\n((?: {4}.*\n?)+)", inspect.cleandoc(docstring), re.MULTILINE)
    for entry in re.split(r"^ {4}(?! )", section[1] if section else "", flags=re.MULTILINE)[1:]:
        head, _, text = entry.partition("):")
        text = " ".join(re.sub(r"\[`|`\]|`", "", text).split())
        yield re.findall(r"(\w+) \(", head), re.sub(r"\bNone\b", "null", text)


def _default(field: Field) -> str:
    if field.default is not MISSING:
        value = field.default
    elif field.default_factory is not MISSING:
        value = field.default_factory()
    else:
        return "[required]"
    return f"[default: {json.dumps(value, default=asdict)}]"
