# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
safetensors 0.8 writes a temporary file that its owner alone may read, and renames it: the umask is not asked.

Remove when its files have the mode of other new files: https://github.com/huggingface/safetensors
"""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any


@contextmanager
def usual_file_mode(folder: str | os.PathLike) -> Iterator[None]:
    """Gives safetensors files that are written into a folder in the meantime the mode of other new files."""
    before = _find_files(folder)
    yield
    new = _find_files(folder) - before
    if new:
        mode = _mode_of_new_files(folder)
        for name, _ in new:
            with suppress(FileNotFoundError):  # another process of the same run may move them
                os.chmod(Path(folder, name), mode)


def _find_files(folder: str | os.PathLike) -> set[tuple[str, int]]:
    """By name and inode: a file that is replaced has the inode of the temporary one."""
    if not os.path.isdir(folder):
        return set()
    with os.scandir(folder) as entries:
        return {(entry.name, entry.inode()) for entry in entries if entry.name.endswith(".safetensors")}


def _mode_of_new_files(folder: str | os.PathLike) -> int:
    """As the umask says, or what else decides there. The umask itself cannot be read without being set for all threads."""
    probe = Path(folder, f".{uuid.uuid4().hex}")
    descriptor = os.open(probe, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
    try:
        return os.fstat(descriptor).st_mode & 0o777
    finally:
        os.close(descriptor)
        probe.unlink()


class SavedWithUsualMode:
    """A model whose weights are saved into files that have the mode of other new files."""

    def save_pretrained(self, save_directory: str | os.PathLike, *args: Any, **kwargs: Any) -> Any:
        """As [`~PreTrainedModel.save_pretrained`]."""
        with usual_file_mode(save_directory):
            return super().save_pretrained(save_directory, *args, **kwargs)  # type: ignore[misc]
