# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The folder that a command writes: nobody else's is replaced, and it is there whole or not at all."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from transformers.utils import CONFIG_NAME

from ..families import FAMILIES
from .weight_files import read_json


def check_target(target: Path, source: str, overwrite: bool, is_own: Callable[[Path], bool]) -> None:
    """
    Args:
        target (`Path`): the folder to write.
        source (`str`): folder or Hub id of what is written.
        overwrite (`bool`): whether an earlier folder of the same making may be replaced.
        is_own (`Callable[[Path], bool]`): whether a file is one that such a folder has.

    Raises:
        FileExistsError: if there is something that must not be replaced.
    """
    if not os.path.lexists(target):
        return
    if not target.is_dir():
        raise FileExistsError(f"{target} is a file: choose a folder that does not exist yet.")
    files = sorted(target.iterdir())
    if not files:
        return
    if os.path.isdir(source) and os.path.samefile(source, target):
        raise FileExistsError(f"{target} is the source itself: choose another folder.")
    if not overwrite:
        raise FileExistsError(
            f"{target} is not empty: choose another folder, or let it be replaced (`overwrite=True`, `--overwrite`)."
        )
    foreign = [file.name for file in files if not is_own(file)]
    config_file = target / CONFIG_NAME
    model_type = read_json(str(config_file)).get("model_type") if config_file in files else None
    known = [family.model_type for family in FAMILIES]
    if foreign or model_type not in known:
        what = f"it holds {', '.join(foreign[:3])}" if foreign else f"it holds no {' or '.join(known)} model"
        raise FileExistsError(
            f"{target} was not made by a conversion and is not replaced ({what}): choose another folder."
        )


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """A folder to write to, which becomes `target` if all goes well and disappears otherwise."""
    target.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        folder, replaced = staging / "new", staging / "old"
        folder.mkdir()
        yield folder
        if target.exists():
            target.rename(replaced)
        folder.rename(target)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
