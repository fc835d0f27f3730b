# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Single files that are there whole or not at all: results, and encoded videos."""

import os
import uuid
from pathlib import Path

from ..compat.safetensors_files import full_disk_is_named


def check_new_file(path: str | os.PathLike, overwrite: bool) -> None:
    """
    Looks, before anything is computed, whether a result can be written.

    Raises:
        FileExistsError: if it is there already and may not be replaced.
        FileNotFoundError, IsADirectoryError: if there is no folder for it, or it is one.
    """
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder: name a file in it.")
    if not path.absolute().parent.is_dir():
        raise FileNotFoundError(f"There is no folder {path.absolute().parent} for {path.name}: make it first.")
    if path.is_file() and not overwrite:
        raise FileExistsError(f"{path} is there already: choose another file, or let it be replaced (`--overwrite`).")


def write_file(path: str | os.PathLike, content: str | bytes) -> None:
    """
    Writes a file, or replaces what a link points to. A pipe or device is written to. Text is in UTF-8.

    Raises:
        OSError: if it cannot be written; what was there before is as it was.
    """
    data = content.encode("utf-8") if isinstance(content, str) else content
    target = Path(os.path.realpath(path))
    with full_disk_is_named(path):
        if target.exists() and not target.is_file():
            target.write_bytes(data)
            return
        # not its own name with an ending, which may be as long as names can be
        unfinished = target.with_name(f".{uuid.uuid4().hex}.unfinished")
        try:
            unfinished.write_bytes(data)
            if target.exists():
                unfinished.chmod(target.stat().st_mode & 0o777)
            os.replace(unfinished, target)
        finally:
            unfinished.unlink(missing_ok=True)
