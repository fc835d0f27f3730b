# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Files that end, within a folder: no FIFOs and devices, and no links that lead out of it."""

import contextlib
import os
import stat
from pathlib import Path
from typing import BinaryIO

from .limits import UntrustedInput, shorten


_KINDS_OF_FILES = (
    (stat.S_ISFIFO, "a FIFO (a named pipe)"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a character device"),
    (stat.S_ISBLK, "a block device"),
)


def confine(path: str, untrusted_input: UntrustedInput, title: str) -> str:
    """
    The path; without links where `media_folder` is set.

    Raises:
        ValueError: if it leads out of `media_folder`. `title` begins the message, as in "The video 'a.mp4'".
    """
    if untrusted_input.media_folder is None:
        return path
    folder, real = os.path.realpath(untrusted_input.media_folder), os.path.realpath(path)
    if not Path(real).is_relative_to(folder):
        raise ValueError(
            f"{title} leads to '{shorten(real)}', out of the folder '{shorten(folder)}' that it must not leave. Move it there, or "
            "set another `media_folder` of `untrusted_input=UntrustedInput(...)`."
        )
    return real


def identify_file(path: str | os.PathLike) -> tuple[int, ...]:
    """
    What tells whether the file at a path is the one that was there before, unchanged. Size and time of writing alone do not: copies
    keep both.

    Raises:
        OSError: if there is none.
    """
    status = os.stat(path)
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def check_regular(status: os.stat_result, title: str, or_folder: bool = False) -> None:
    """
    Raises:
        ValueError: if it is a FIFO, a socket or a device, from which reading need never end.
    """
    if stat.S_ISREG(status.st_mode) or (or_folder and stat.S_ISDIR(status.st_mode)):
        return
    kind = next((kind for is_kind, kind in _KINDS_OF_FILES if is_kind(status.st_mode)), "no regular file")
    raise ValueError(f"{title} is {kind}, which is not read. Write its content to a file and pass that.")


def open_regular(path: str, title: str) -> BinaryIO:
    """
    Opens a file for reading, and never waits for somebody to write to it.

    Raises:
        OSError: if it cannot be opened. `title` begins the message.
        ValueError: if it is no regular file.
    """
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except OSError as error:
        # what has no other end, such as a socket, cannot be opened at all
        with contextlib.suppress(FileNotFoundError):
            check_regular(os.stat(path), title)
        raise type(error)(
            f"{title} cannot be opened: {error.strerror}. Check its path and who may read it."
        ) from error
    file = os.fdopen(handle, "rb")
    try:
        check_regular(os.fstat(handle), title)
    except ValueError:
        file.close()
        raise
    return file
