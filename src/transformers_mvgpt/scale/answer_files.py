# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Files of answers, a row in each line: written line by line, mended after a kill, and put into order."""

import json
import os
from array import array
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..compat.safetensors_files import full_disk_is_named
from .row_records import row_key, to_line


_BLOCK_BYTES = 1 << 16


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
            except ValueError as error:
                raise ValueError(
                    f"Line {number} of {path} is damaged ({error}): take it out, and its row will be answered again, or begin anew "
                    "(`overwrite=True`)."
                ) from error
            yield start, start + len(line), record
            start += len(line)


def merge_lines(paths: Sequence[Path], target: Path, asked: "array[int] | None" = None) -> None:
    """
    Writes the lines of several files into one.

    Args:
        paths (`Sequence[Path]`): the files.
        target (`Path`): the file to write.
        asked (`array` of unsigned 64-bit numbers, *optional*):
            Keys of the input's rows, in their order, which the lines are brought into. Lines about other rows come last. Memory is
            about 60 bytes for each row.
    """
    places, keys = array("q"), array("Q")
    for number, path in enumerate(paths):
        for start, end, record in read_rows(path):
            places.extend((number, start, end))
            keys.append(row_key(record))
    lines = np.array(places, dtype=np.int64).reshape(-1, 3)
    if asked is not None:
        lines = lines[np.argsort(_ranks(np.array(keys, np.uint64), np.array(asked, np.uint64)), kind="stable")]
    files = [open(path, "rb") for path in paths]
    try:
        with open(target, "wb") as merged, full_disk_is_named(target):
            for number, start, end in lines:
                files[number].seek(start)
                merged.write(files[number].read(end - start))
            merged.flush()
            os.fsync(merged.fileno())
    finally:
        for file in files:
            file.close()


def _ranks(keys: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """For each key its place in `asked`: of the n-th of equal ones, the place of the n-th there; `len(asked)` where there is none."""
    order_keys, order_asked = np.argsort(keys, kind="stable"), np.argsort(asked, kind="stable")
    sorted_keys, sorted_asked = keys[order_keys], asked[order_asked]
    nth = np.arange(len(keys)) - np.searchsorted(sorted_keys, sorted_keys)
    places = np.searchsorted(sorted_asked, sorted_keys) + nth
    found = places < len(asked)
    found[found] = sorted_asked[places[found]] == sorted_keys[found]
    ranks = np.full(len(keys), len(asked))
    ranks[order_keys[found]] = order_asked[places[found]]
    return ranks


def is_in_order(path: Path, asked: "array[int]") -> bool:
    """Whether a file's lines stand in the order of the input's rows."""
    keys = array("Q", (row_key(record) for _, _, record in read_rows(path)))
    ranks = _ranks(np.array(keys, np.uint64), np.array(asked, np.uint64))
    return bool(np.all(ranks[:-1] <= ranks[1:]))
