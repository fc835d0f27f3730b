# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Samples in tables, read one at a time: files of CSV and Parquet."""

import bisect
import csv
import io
import os
import re
from array import array
from collections import OrderedDict
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ..video.limits import shorten


_DELIMITERS = ",\t;"
# A line of a table is text. A longer one is another kind of file.
_LONGEST_LINE_BYTES = 1 << 24
# Decoded row groups that are kept, all together, and the largest one that is read as a whole.
_CACHE_BYTES = 1 << 27
_LARGEST_GROUP_BYTES = 1 << 30
_ROWS_PER_READ = 256
# Of a column, instead of all that it has in a row group.
_BUFFER_BYTES = 1 << 20


class CsvSource:
    """
    The rows of a `.csv` file, without holding them: UTF-8, names of the columns in the first line, which also decides the delimiter (the
    first comma, tab or semicolon in it), quotes as in RFC 4180. All values are text. Memory is 24 bytes per row, for its place.

    Args:
        path (`str`): the file.

    Raises:
        ValueError: if the file is not as it should be; it says in which line.
    """

    def __init__(self, path: str | os.PathLike):
        self.path = Path(path)
        self.folder = self.path.parent
        places = array("q")
        with open(self.path, "rb") as file:
            lines = _Lines(file, self.path)
            first = next(lines, "")
            unquoted = re.sub('"[^"]*"', "", first)
            self._delimiter = next((character for character in unquoted if character in _DELIMITERS), ",")
            lines.push_back(first)
            reader = self._reader(lines)
            self._columns = self._checked_columns(self._next(reader, lines, 1) or [])
            while True:
                start, line = lines.end, lines.number + 1
                row = self._next(reader, lines, line)
                if row is None:
                    break
                if not row:
                    continue  # an empty line
                if len(row) != len(self._columns):
                    raise ValueError(
                        f"Line {line} of {self.path} has {len(row)} values, the header has {len(self._columns)} columns: put values that "
                        f"hold {self._delimiter!r} or a quote into quotes."
                    )
                places.extend((start, lines.end, line))
        self._places = (np.frombuffer(places, dtype=np.int64) if places else np.zeros(0, np.int64)).reshape(-1, 3)

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, index: int) -> dict[str, str]:
        with open(self.path, "rb") as file:
            return self._parse(file, *self._places[index].tolist())

    def __iter__(self) -> Iterator[dict[str, str]]:
        with open(self.path, "rb") as file:
            for place in self._places:
                yield self._parse(file, *place.tolist())

    def describe(self, index: int) -> str:
        return f"line {self._places[index][2]} of {self.path}"

    def _parse(self, file: BinaryIO, start: int, end: int, line: int) -> dict[str, str]:
        file.seek(start)
        text = file.read(end - start).decode("utf-8", "replace")
        row: list[str] = next(self._reader(io.StringIO(text, newline="\n")), [])
        if len(row) != len(self._columns):
            raise ValueError(f"{self.path} has changed in line {line} since it was opened.")
        return dict(zip(self._columns, row, strict=True))

    def _reader(self, lines: Iterator[str]) -> Any:
        return csv.reader(lines, delimiter=self._delimiter, strict=True)

    def _next(self, reader: Any, lines: "_Lines", line: int) -> list[str] | None:
        try:
            return next(reader, None)
        except csv.Error as error:
            until = f" to {lines.number}" if lines.number > line else ""
            raise ValueError(f"Line {line}{until} of {self.path} cannot be read as CSV: {error}.") from error

    def _checked_columns(self, columns: list[str]) -> list[str]:
        if not columns:
            raise ValueError(f"{self.path} is empty: its first line must name the columns.")
        for number, name in enumerate(columns, start=1):
            if not name.strip():
                raise ValueError(
                    f"Column {number} of {self.path} has no name in line 1: name it, or take it out (pandas: `index=False`)."
                )
            if name in columns[: number - 1]:
                raise ValueError(f"{self.path} names the column {shorten(name)!r} twice in line 1: rename one.")
        return columns


class _Lines:
    """The lines of a file as text, with the place that the last one ends at."""

    def __init__(self, file: BinaryIO, path: Path):
        self._file, self._path, self._again = file, path, ""
        self.number, self.end = 0, 0

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        if self._again:
            line, self._again = self._again, ""
            return line
        data = self._file.readline(_LONGEST_LINE_BYTES)
        if not data:
            raise StopIteration
        self.number += 1
        self.end += len(data)
        if len(data) == _LONGEST_LINE_BYTES:
            raise ValueError(f"Line {self.number} of {self._path} has more than {_LONGEST_LINE_BYTES} bytes: no CSV.")
        try:
            # editors put a mark before UTF-8
            return data.decode("utf-8-sig" if self.number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise ValueError(
                f"Line {self.number} of {self._path} is not UTF-8 ({error}): save it as UTF-8."
            ) from error

    def push_back(self, line: str) -> None:
        self._again = line


class ParquetSource:
    """
    The rows of a `.parquet` file. Of the row groups that were read last, 128 MB are held; in order, a file is read in small parts,
    whatever the size of its row groups.

    Args:
        path (`str`): the file.

    Raises:
        ImportError: if pyarrow is missing.
        ValueError: if the file is damaged.
    """

    def __init__(self, path: str | os.PathLike):
        try:
            import pyarrow.parquet  # noqa: F401
        except ImportError as error:
            raise ImportError(f"To read {path}, pyarrow is needed: pip install pyarrow.") from error
        self.path = Path(path)
        self.folder = self.path.parent
        self._metadata: Any = None
        self._groups: OrderedDict[int, Any] = OrderedDict()
        with self._open() as file:
            self._metadata = file.metadata
            names = file.schema_arrow.names
        if repeated := [name for name in names if names.count(name) > 1]:
            raise ValueError(f"{self.path} has the column {shorten(repeated[0])!r} twice: rename one.")
        sizes = (self._metadata.row_group(group).num_rows for group in range(self._metadata.num_row_groups))
        self._ends = list(accumulate(sizes))

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def __getitem__(self, index: int) -> dict[str, Any]:
        index = range(len(self))[index]
        group = bisect.bisect_right(self._ends, index)
        row = index - (self._ends[group - 1] if group else 0)
        return self._group(group).slice(row, 1).to_pylist()[0]

    def __iter__(self) -> Iterator[dict[str, Any]]:
        with self._open() as file:
            for batch in self._batches(file, None):
                for row in range(batch.num_rows):
                    yield batch.slice(row, 1).to_pylist()[0]

    def describe(self, index: int) -> str:
        return f"sample {index} of {self.path}"

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_groups": OrderedDict()}

    def _open(self) -> Any:
        import pyarrow
        from pyarrow.parquet import ParquetFile

        try:
            return ParquetFile(self.path, metadata=self._metadata, buffer_size=_BUFFER_BYTES, pre_buffer=False)
        except (pyarrow.ArrowException, OSError) as error:
            if isinstance(error, FileNotFoundError):
                raise
            raise ValueError(f"{self.path} is damaged or no Parquet file: {_first_line(error)}.") from error

    def _batches(self, file: Any, groups: list[int] | None) -> Iterator[Any]:
        import pyarrow

        try:
            yield from file.iter_batches(batch_size=_ROWS_PER_READ, row_groups=groups, use_threads=False)
        except (pyarrow.ArrowException, OSError) as error:
            raise ValueError(f"{self.path} is damaged: {_first_line(error)}.") from error

    def _group(self, number: int) -> Any:
        """A row group as a table, which is kept as long as there is room."""
        import pyarrow

        if number not in self._groups:
            batches, size = [], 0
            with self._open() as file:
                for batch in self._batches(file, [number]):
                    batches.append(batch)
                    size += batch.nbytes
                    if size > _LARGEST_GROUP_BYTES:
                        raise ValueError(
                            f"Row group {number} of {self.path} has more than {_LARGEST_GROUP_BYTES} bytes, too many to pick rows out of: "
                            "write the file with a smaller `row_group_size`, or keep videos in files of their own."
                        )
            self._groups[number] = pyarrow.Table.from_batches(batches)
        self._groups.move_to_end(number)
        while len(self._groups) > 1 and sum(group.nbytes for group in self._groups.values()) > _CACHE_BYTES:
            self._groups.popitem(last=False)
        return self._groups[number]


def _first_line(error: Exception) -> str:
    return shorten((str(error).strip() or type(error).__name__).split("\n")[0].rstrip("."))
