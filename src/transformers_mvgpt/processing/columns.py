# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
Columns and tables of other libraries, told by what they can do, so that none of them is imported: pandas, polars, pyarrow, NumPy arrays
of objects or strings, and `datasets`.
"""

import os
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from torch.utils.data import Dataset

from ..video.limits import shorten


# What datasets' features may have that changes what is seen; with it, a file is decoded by them.
_DEFAULTS = {"stream_index": None, "mode": None}


def column_to_list(values: Any) -> Any:
    """The values of a column in memory, a list, or what is given where it is none."""
    if isinstance(values, np.ndarray):
        is_column = values.ndim == 1 and values.dtype.kind in "OUT"
        return values.tolist() if is_column else values
    for name in ("to_pylist", "to_list"):
        # tables have names of columns
        if callable(getattr(values, name, None)) and not is_table(values):
            return list(getattr(values, name)())
    return values


def is_lazy_column(values: Any) -> bool:
    """Whether it is a column of `datasets`, which reads a value when it is asked for it."""
    return type(values).__module__.startswith("datasets.") and type(values).__name__ in ("Column", "IterableColumn")


def is_missing(value: Any) -> bool:
    """Whether it is what tables have where there is nothing: `None`, NaN or pandas' `NA`."""
    is_nan = isinstance(value, (float, np.floating)) and bool(value != value)
    return value is None or is_nan or type(value).__name__ in ("NAType", "NaTType")


def is_table(values: Any) -> bool:
    """Whether it has named columns: a data frame, an Arrow table or a dataset of `datasets`."""
    is_frame = hasattr(values, "columns") and (hasattr(values, "iterrows") or hasattr(values, "iter_rows"))
    return is_frame or (hasattr(values, "column_names") and (hasattr(values, "features") or hasattr(values, "schema")))


def open_table(table: Any) -> tuple[list[str] | None, Any]:
    """
    Returns:
        The names of its columns, `None` if only its rows tell; and its rows, each a mapping: a list of a table in memory, a `Dataset` of
        one on disk, or an iterator of one that is streamed.

    Raises:
        ValueError: if it is a dictionary of several.
    """
    if isinstance(table, Mapping):
        raise ValueError(
            f"The dataset has the splits {', '.join(map(repr, table))}: pass one of them, as in dataset[{next(iter(table), 'train')!r}]."
        )
    if hasattr(table, "iterrows"):
        return list(table.columns), table.to_dict("records")
    if hasattr(table, "iter_rows"):
        return list(table.columns), list(table.iter_rows(named=True))
    if hasattr(table, "to_pylist"):
        return list(table.column_names), table.to_pylist()
    rows = StoredRows(table)
    return table.column_names, rows if hasattr(table, "__len__") else iter(rows)


class StoredRows(Dataset):
    """
    Rows of a dataset of `datasets`. Its videos and images are files, `{"bytes": ..., "path": ...}`, and not decoded yet: they are read
    within our limits, where samples are prepared. Those that only `datasets` can open, at addresses such as `hf:`, or that have options
    such as a `stream_index`, it decodes.
    """

    def __init__(self, table: Any) -> None:
        self.table, self.features = table, table.features or {}
        formatting = getattr(table, "format", None) or {"type": getattr(table, "_formatting", None)}
        kinds = list(map(_media_options, self.features.values()))
        self.is_raw = formatting["type"] is None and any(kinds) and not any(kind == "decoded" for kind in kinds)
        if self.is_raw:
            self.table = table.with_format("arrow")

    def __len__(self) -> int:
        return len(self.table)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return self._row(self.table[int(index)])

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return map(self._row, self.table)

    def _row(self, row: Any) -> dict[str, Any]:
        if not self.is_raw:
            return row
        [values] = row.to_pylist()
        return {name: _opened(value, self.features[name]) for name, value in values.items()}


def _media_options(feature: Any) -> str:
    """`"file"` if there is a video or image in it, `"decoded"` if one that `datasets` has to decode, else an empty string."""
    if isinstance(feature, Mapping):
        inner = set(map(_media_options, feature.values()))
    elif isinstance(feature, (list, tuple)):
        inner = set(map(_media_options, feature))
    elif hasattr(feature, "feature"):
        inner = {_media_options(feature.feature)}
    elif type(feature).__name__ not in ("Image", "Video"):
        return ""
    else:
        is_plain = all(getattr(feature, name, default) is default for name, default in _DEFAULTS.items())
        return "file" if is_plain else "decoded"
    return max(inner, key=("", "file", "decoded").index, default="")


def _opened(value: Any, feature: Any) -> Any:
    """A file as it is, or decoded by its feature where only that can open it."""
    if type(feature).__name__ not in ("Image", "Video") or not isinstance(value, Mapping):
        return value
    path = value.get("path")
    if value.get("bytes") is not None or not isinstance(path, str) or "://" not in path or os.path.exists(path):
        return value
    return value if path.partition("://")[0] in ("http", "https", "file") else feature.decode_example(value)


def describe_columns(names: list[str]) -> str:
    return ", ".join(shorten(repr(name)) for name in names[:20]) + (", ..." if len(names) > 20 else "")
