# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The folder of a run: whose it is, and the model that is written into it."""

import contextlib
import os
import platform
import shutil
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path

import torch
import transformers
import yaml

from ..conversion.file_locks import locked
from .checkpoints import list_checkpoints
from .loss_curve import LOSS_FILE, PICTURE_FILE
from .recipe import Recipe, load_recipe
from .trainer import PROBLEMS_FILE


RECIPE_FILE = "recipe.yaml"
CHECKPOINTS_FOLDER = "checkpoints"
# The last file that is written: where one of them is, the model is whole.
_LAST_FILES = ("config.json", "adapter_config.json")
STAGING_FOLDER = ".unfinished"
_LOCK_FILE = ".running"
# What a run that did not come to a step may leave.
_OWN_FILES = (RECIPE_FILE, "recipe.tmp", LOSS_FILE, PICTURE_FILE, PROBLEMS_FILE)
# What may differ when a run goes on, since the weights do not depend on it.
_FREE = {
    "eval_data",
    "media_anywhere",
    "num_workers",
    "on_unreadable",
    "save_steps",
    "eval_steps",
    "logging_steps",
    "report_to",
}


@contextlib.contextmanager
def claimed_output(recipe: Recipe, is_main_process: bool = True) -> Iterator[Path]:
    """
    The folder of a run, with its recipe and the versions that it runs on. A run that has learned something, a checkpoint or a
    model, holds the folder: it goes on, and another recipe is refused. One that failed before is forgotten.

    Args:
        recipe ([`Recipe`]): the recipe.
        is_main_process (`bool`): only one process claims the folder.

    Raises:
        FileExistsError: if there is something else, or a run with another recipe, or one that is still running.
    """
    output = Path(recipe.output)
    if not is_main_process:
        yield output
        return
    file = output / RECIPE_FILE
    is_new = not output.exists()
    if file.is_file():
        if _has_learned(output):
            _check_same(yaml.safe_load(recipe.to_yaml()), yaml.safe_load(load_recipe(file).to_yaml()), output)
    elif not is_new and (not output.is_dir() or any(path.name != _LOCK_FILE for path in output.iterdir())):
        raise FileExistsError(f"{output} is there already and is not the output of a run: choose another `output`.")
    output.mkdir(parents=True, exist_ok=True)
    try:
        busy = f"Another run is writing to {output}: wait for its end, or choose another `output`."
        with locked(output / _LOCK_FILE, busy):
            if not _has_learned(output):
                _forget(output)
            _write_recipe(recipe, file)
            try:
                yield output
            except BaseException:
                if not _has_learned(output) and not _has_lines(output / LOSS_FILE):
                    _forget(output)
                raise
    finally:
        if is_new:
            with contextlib.suppress(OSError):  # it is not empty
                output.rmdir()


def _write_recipe(recipe: Recipe, file: Path) -> None:
    versions = (f"{module.__name__} {module.__version__}" for module in (_package(), torch, transformers))
    header = f"# {', '.join(versions)}, Python {platform.python_version()}\n"
    unfinished = file.with_suffix(".tmp")
    unfinished.write_text(header + recipe.to_yaml(), encoding="utf-8")
    os.replace(unfinished, file)


def _has_learned(output: Path) -> bool:
    return is_finished(output) or bool(list_checkpoints(output / CHECKPOINTS_FOLDER)[0])


def _has_lines(path: Path) -> bool:
    return path.is_file() and path.stat().st_size > 0


def _forget(output: Path) -> None:
    """Removes what a run without a checkpoint has written, and nothing else."""
    for name in _OWN_FILES:
        (output / name).unlink(missing_ok=True)
    _, unfinished = list_checkpoints(output / CHECKPOINTS_FOLDER)
    for folder in (*unfinished, output / STAGING_FOLDER):
        shutil.rmtree(folder, ignore_errors=True)
    with contextlib.suppress(OSError):
        (output / CHECKPOINTS_FOLDER).rmdir()


def is_finished(output: Path) -> bool:
    """Whether the trained model is there."""
    return any((output / name).is_file() for name in _LAST_FILES)


def write_whole(output: Path, write: Callable[[Path], None]) -> None:
    """Lets `write` fill a folder, then moves its files into `output`, the one that a model is recognized by last."""
    staging = output / STAGING_FOLDER
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
