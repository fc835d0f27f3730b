# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Answers as lines of JSON: each stays when the process is killed, and what a kill leaves of a line is cut off."""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..compat.safetensors_files import full_disk_is_named
from ..video.limits import shorten


_BLOCK_BYTES = 1 << 16
# Python's `splitlines` takes them for ends of lines, JSON does not escape them.
_LINE_ENDS = {ord(character): f"\\u{ord(character):04x}" for character in "\x85\u2028\u2029"}


class LineWriter:
    """
    Appends rows. Each is with the system when `append` returns, so that no kill of the process loses it.

    Args:
        path (`str`): the file; it is made if it is not there.
    """

    def __init__(self, path: str | os.PathLike) -> None:
        self.path = Path(path)
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)

    def append(self, record: Mapping[str, Any]) -> None:
        """
        Raises:
            OSError: if the disk is full, for example; the file then ends with the row before.
        """
        line = memoryview(to_line(record))
        end = os.fstat(self._descriptor).st_size
        try:
            with full_disk_is_named(self.path):
                while line:
                    line = line[os.write(self._descriptor, line) :]
        except BaseException:
            os.ftruncate(self._descriptor, end)
            raise

    def close(self) -> None:
        os.close(self._descriptor)


def mend(path: Path) -> None:
    """Cuts off what a kill has left of a last line."""
    with open(path, "r+b") as file:
        end = file.seek(0, os.SEEK_END)
        position = end
        while position:
            start = max(position - _BLOCK_BYTES, 0)
            file.seek(start)
            found = file.read(position - start).rfind(b"\n")
            if found >= 0:
                position = start + found + 1
                break
            position = start
        if position < end:
            file.truncate(position)


def read_rows(path: Path) -> Iterator[tuple[int, int, dict[str, Any]]]:
    """
    Yields:
        Start and end of each line, in bytes, and its row.

    Raises:
        ValueError: if a line is no row; it says which.
    """
    start = 0
    with open(path, "rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                record = json.loads(line)
                if not isinstance(record, dict):
                    raise ValueError(f"it is of the type {type(record).__name__}")
            except (ValueError, RecursionError) as error:
                raise ValueError(
                    f"Line {number} of {path} is damaged ({error}): take it out, and its row will be answered again, or begin anew "
                    "(`overwrite=True`)."
                ) from error
            yield start, start + len(line), record
            start += len(line)


def to_line(record: Mapping[str, Any]) -> bytes:
    """A line of JSON, with its end. Letters are readable; names of files that are no Unicode are escaped."""
    try:
        line = json.dumps(record, ensure_ascii=False, default=_plain).translate(_LINE_ENDS).encode("utf-8")
    except UnicodeEncodeError:
        line = json.dumps(record, default=_plain).encode("ascii")
    return line + b"\n"


def _plain(value: Any) -> Any:
    """What JSON has no form for: numbers of NumPy, and bytes and objects by their kind."""
    if callable(getattr(value, "tolist", None)):
        return value.tolist()
    return f"<{len(value)} bytes>" if isinstance(value, bytes) else shorten(value)


def in_unicode(value: Any) -> Any:
    """The same with texts that any file can hold: what is no Unicode, such as in the name of a file, is written out."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, dict):
        return {in_unicode(name): in_unicode(one) for name, one in value.items()}
    return [in_unicode(one) for one in value] if isinstance(value, list) else value
