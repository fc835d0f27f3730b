# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The folder of a run: whose it is, and the model that is written into it."""

import os
import platform
import shutil
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import torch
import transformers
import yaml

from .recipe import Recipe, load_recipe


RECIPE_FILE = "recipe.yaml"
CHECKPOINTS_FOLDER = "checkpoints"
# The last file that is written: where one of them is, the model is whole.
_LAST_FILES = ("config.json", "adapter_config.json")
# What may differ when a run goes on, since the weights do not depend on it.
_FREE = {"eval_data", "num_workers", "on_unreadable", "save_steps", "eval_steps", "logging_steps", "report_to"}


def claim_output(recipe: Recipe) -> None:
    """
    Makes the folder of a run and writes its recipe, with the versions that it runs on, or recognizes the run that is to go
    on.

    Raises:
        FileExistsError: if there is something else, or a run with another recipe.
    """
    output = Path(recipe.output)
    file = output / RECIPE_FILE
    if file.is_file():
        _check_same(yaml.safe_load(recipe.to_yaml()), yaml.safe_load(load_recipe(file).to_yaml()), output)
    elif output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise FileExistsError(f"{output} is there already and is not the output of a run: choose another `output`.")
    output.mkdir(parents=True, exist_ok=True)
    versions = (f"{module.__name__} {module.__version__}" for module in (_package(), torch, transformers))
    header = f"# {', '.join(versions)}, Python {platform.python_version()}\n"
    unfinished = file.with_suffix(".tmp")
    unfinished.write_text(header + recipe.to_yaml(), encoding="utf-8")
    os.replace(unfinished, file)


def is_finished(output: Path) -> bool:
    """Whether the trained model is there."""
    return any((output / name).is_file() for name in _LAST_FILES)


def write_whole(output: Path, write: Callable[[Path], None]) -> None:
    """Lets `write` fill a folder, then moves its files into `output`, the one that a model is recognized by last."""
    staging = output / ".unfinished"
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir()
    write(staging)
    files = sorted(staging.iterdir(), key=lambda file: file.name in _LAST_FILES)
    for file in files:
        os.replace(file, output / file.name)
    staging.rmdir()


def _check_same(now: dict, before: dict, output: Path) -> None:
    names = [field.name for field in fields(Recipe) if field.name not in _FREE]
    if differing := [name for name in names if now[name] != before[name]]:
        name = differing[0]
        raise FileExistsError(
            f"{output} belongs to a run with another recipe (`{name}` was {before[name]!r}, now {now[name]!r}; "
            f"{len(differing)} keys differ): choose another `output`, or go on with the recipe that is in it."
        )


def _package():
    import transformers_mvgpt

    return transformers_mvgpt
