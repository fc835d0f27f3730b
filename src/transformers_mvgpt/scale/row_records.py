# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Rows as they are written: plain values, and a number that tells a row of the input again in the output."""

import datetime
import decimal
import hashlib
import json
import math
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..evaluation.answer_lines import in_unicode
from ..processing import columns


# What is added to a row. A column of the input of this name is written as `input_answer` and so on.
ADDED = ("answer", "error", "selected_frames")


def is_missing(value: Any) -> bool:
    """Nothing, or an empty text, which CSV has in its place."""
    return columns.is_missing(value) or (isinstance(value, str) and not value)


def column_names(names: list[str]) -> dict[str, str]:
    """The columns of an input, with the names under which they are written."""
    taken = {*names}
    written = {}
    for name in names:
        new = name
        while new in ADDED or (new != name and new in taken):
            new = f"input_{new}"
        taken.add(new)
        written[name] = new
    return written


def plain(value: Any) -> Any:
    """
    A value in the types of JSON.

    Raises:
        TypeError: if it is, or holds, bytes or an object such as a picture.
    """
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, (np.generic, np.ndarray)):
        return plain(value.tolist())
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, (decimal.Decimal, datetime.timedelta)):
        return str(value)
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    raise TypeError(f"{type(value).__name__} cannot be written")


def row_key(record: Mapping[str, Any]) -> int:
    """
    64 bits of what was asked: of all in a row that is written but what was added to it. What is None does not count, and 2.0 is 2, as
    in a Parquet file they cannot be told apart; so with texts that are no Unicode.
    """
    asked = _normalized(in_unicode({name: value for name, value in record.items() if name not in ADDED}))
    text = json.dumps(asked, sort_keys=True, separators=(",", ":"))
    return int.from_bytes(hashlib.blake2b(text.encode("ascii"), digest_size=8).digest(), "big")


def _normalized(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _normalized(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_normalized(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def to_list(values: Any) -> list[Any]:
    return values.tolist() if isinstance(values, np.ndarray) and values.ndim == 1 else list(values)


def to_column(values: list[Any]) -> np.ndarray:
    """An array of objects, also where they are lists of one length."""
    column = np.empty(len(values), dtype=object)
    for index, value in enumerate(values):
        column[index] = value
    return column
