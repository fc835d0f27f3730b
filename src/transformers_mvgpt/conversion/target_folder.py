# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The folder that a command writes: nobody else's is replaced, and it is there whole or not at all."""

import importlib.util
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from transformers.utils import CONFIG_NAME

from ..families import FAMILIES
from .weight_files import read_json


# Windows has none.
fcntl: Any = importlib.import_module("fcntl") if importlib.util.find_spec("fcntl") else None
# In the folder beside the target: what is written, and what it replaces.
_NEW, _OLD = "new", "old"


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
        what = (
            f"it holds {', '.join(foreign[:3])}"
            if foreign
            else f"it holds no {' or '.join(f'{name} model' for name in known)}"
        )
        raise FileExistsError(
            f"{target} was not made by a conversion and is not replaced ({what}): choose another folder."
        )


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """
    A folder to write to, which becomes `target` if all goes well and disappears otherwise. Of an earlier run that was killed,
    what it left is removed when the next one enters, and what it was about to replace is put back. A link stays, and the
    folder that it points to is replaced.

    Raises:
        FileExistsError: if another run is writing the same folder.
        OSError: if there can be no folder.
    """
    place = Path(os.path.realpath(target))
    parents = [parent for parent in (place.parent, *place.parent.parents) if not parent.exists()]
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with _own_staging_folder(place, target) as staging:
            _clean_up(staging, place)
            try:
                folder = staging / _NEW
                folder.mkdir()
                yield folder
                if place.exists():
                    place.rename(staging / _OLD)
                folder.rename(place)
            finally:
                _clean_up(staging, place)
                with suppress(OSError):
                    staging.rmdir()
    finally:
        for parent in parents:
            with suppress(OSError):  # it is not empty
                parent.rmdir()


@contextmanager
def _own_staging_folder(place: Path, target: Path) -> Iterator[Path]:
    """A folder beside the target that is this run's alone: its lock goes with the process, the folder stays if that is killed."""
    staging = place.with_name(f".{place.name}-unfinished")
    descriptor = _lock(staging, target)
    if descriptor is None:  # nobody could tell a folder that is left from one in work
        yield Path(tempfile.mkdtemp(prefix=f".{place.name}-", dir=place.parent))
        return
    try:
        yield staging
    finally:
        os.close(descriptor)


def _lock(staging: Path, target: Path) -> int | None:
    """Makes a folder and locks it; nothing, where the system or the disk has no locks of folders."""
    if fcntl is None:
        return None
    while True:
        staging.mkdir(exist_ok=True)
        try:
            descriptor = os.open(staging, os.O_RDONLY)
        except FileNotFoundError:  # another run has just finished
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.stat(staging), os.fstat(descriptor)):
                return descriptor
        except BlockingIOError:
            os.close(descriptor)
            raise FileExistsError(
                f"{target} is being written by another run: wait until it has ended, or choose another folder."
            ) from None
        except FileNotFoundError:
            pass
        except OSError:
            os.close(descriptor)
            return None
        os.close(descriptor)  # another run has finished in between, and removed it


def _clean_up(staging: Path, place: Path) -> None:
    """Puts back what was to be replaced, if nothing has taken its place, and removes everything else."""
    old, new = staging / _OLD, staging / _NEW
    shutil.rmtree(new, ignore_errors=True)
    if old.exists():
        # not removed under its own name: what is left of it after a kill must not be put back
        old.rename(new if os.path.lexists(place) else place)
    shutil.rmtree(new, ignore_errors=True)
