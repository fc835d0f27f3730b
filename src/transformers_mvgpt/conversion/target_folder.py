# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The folder that a command writes: nobody else's is replaced, and it is there whole or not at all."""

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from transformers.utils import CONFIG_NAME

from ..modeling.configuration_mvgpt import MobileVideoGPTConfig
from .weight_files import read_json


def check_target(target: Path, source: str, overwrite: bool, own_files: re.Pattern[str]) -> None:
    """
    Args:
        target (`Path`): the folder to write.
        source (`str`): folder or Hub id of what is written.
        overwrite (`bool`): whether an earlier folder of the same making may be replaced.
        own_files (`re.Pattern`): names of the files that such a folder has.

    Raises:
        FileExistsError: if there is something that must not be replaced.
    """
    if not os.path.lexists(target):
        return
    if not target.is_dir():
        raise FileExistsError(f"{target} is a file: choose a folder that does not exist yet.")
    files = sorted(file.name for file in target.iterdir())
    if not files:
        return
    if os.path.isdir(source) and os.path.samefile(source, target):
        raise FileExistsError(f"{target} is the source itself: choose another folder.")
    if not overwrite:
        raise FileExistsError(
            f"{target} is not empty: choose another folder, or let it be replaced (`overwrite=True`, `--overwrite`)."
        )
    foreign = [name for name in files if not own_files.fullmatch(name)]
    model_type = read_json(str(target / CONFIG_NAME)).get("model_type") if CONFIG_NAME in files else None
    if foreign or model_type != MobileVideoGPTConfig.model_type:
        what = (
            f"it holds {', '.join(foreign[:3])}" if foreign else f"it holds no {MobileVideoGPTConfig.model_type} model"
        )
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
