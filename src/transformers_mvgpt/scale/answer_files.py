# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Files of answers, a row in each line, put into the order of the input."""

import os
from array import array
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..compat.safetensors_files import full_disk_is_named
from ..evaluation.answer_lines import read_rows
from .row_records import row_key


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
