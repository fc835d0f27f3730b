# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
What safetensors' writing does otherwise than other writing, up to 0.8: its files are for their owner alone, whatever the umask
says, and its errors are none that name a file.

Remove when its files have the mode of other new files, and a full disk is an `OSError`.
"""

import errno
import os
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any


# of a disk, a file or a quota
_NO_SPACE = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}


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
    """By name and inode: a file that is replaced has that of a temporary one."""
    if not os.path.isdir(folder):
        return set()
    with os.scandir(os.fspath(folder)) as entries:
        return {(entry.name, entry.inode()) for entry in entries if entry.name.endswith(".safetensors")}


def _mode_of_new_files(folder: str | os.PathLike) -> int:
    """As the umask says, or what else decides there. The umask itself cannot be read without being set for all threads."""
    probe = Path(folder, f".{uuid.uuid4().hex}")
    descriptor = os.open(probe, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
    try:
        return os.stat(probe).st_mode & 0o777
    finally:
        os.close(descriptor)
        probe.unlink()


@contextmanager
def full_disk_is_named(target: str | os.PathLike) -> Iterator[None]:
    """
    Raises:
        OSError: that names what is written, instead of any error of a disk, quota or file that is full.
    """
    try:
        yield
    except Exception as error:
        number = error.errno if isinstance(error, OSError) else None
        if found := re.search(r"\(os error (\d+)\)", str(error)):  # a SafetensorError
            number = int(found[1])
        if number is None or number not in _NO_SPACE:
            raise
        message = f"{os.strerror(number)}, it was not written: make room, or choose another place"
        raise OSError(number, message, os.fspath(target)) from error


class SavedLikeOtherFiles:
    """A model whose files of weights have the mode of other new files, and whose errors name them."""

    def save_pretrained(self, save_directory: str | os.PathLike, *args: Any, **kwargs: Any) -> Any:
        """
        As [`~PreTrainedModel.save_pretrained`].

        Raises:
            OSError: that names the folder, if the disk is full.
            ValueError: if a module of it refuses to be saved. Nothing is written then.
        """
        for module in self.modules():  # type: ignore[attr-defined]
            if (refuse := getattr(module, "refuse_saving", None)) is not None:
                refuse()
        with full_disk_is_named(save_directory), usual_file_mode(save_directory):
            return super().save_pretrained(save_directory, *args, **kwargs)  # type: ignore[misc]
