# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Where samples lie: files of JSON, CSV and Parquet, read one sample at a time, and datasets of the package `datasets`."""

import json
import os
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ..processing.columns import StoredRows
from .table_sources import CsvSource, ParquetSource


_BLOCK_BYTES = 1 << 20
# A sample is text. A longer one is a damaged file, which must not be read to its end in search of a bracket.
_LONGEST_BYTES = 1 << 26


class JsonSource:
    """
    The samples of a file, without holding them: a `.json` file with a list of objects, or a `.jsonl` file with one in
    each line. Memory is 8 bytes per sample, for the place that it starts at.

    Args:
        path (`str`): the file.

    Raises:
        ValueError: if the file is not as it should be; it says where.
    """

    def __init__(self, path: str | os.PathLike):
        self.path = Path(path)
        self.folder = self.path.parent
        starts = array("q")
        with open(self.path, "rb") as file:
            for start, end in self._lines(file) if self.path.suffix.lower() == ".jsonl" else self._items(file):
                starts.extend((start, end))
        self._starts = np.frombuffer(starts, dtype=np.int64) if starts else np.zeros(0, np.int64)
        self._starts = self._starts.reshape(-1, 2)

    def __len__(self) -> int:
        return len(self._starts)

    def __getitem__(self, index: int) -> Any:
        start, end = self._starts[index].tolist()
        with open(self.path, "rb") as file:
            return self._parse(file, start, end, index)

    def __iter__(self) -> Iterator[Any]:
        with open(self.path, "rb") as file:
            for index, (start, end) in enumerate(self._starts.tolist()):
                yield self._parse(file, start, end, index)

    def describe(self, index: int) -> str:
        return f"sample {index} of {self.path}"

    def _parse(self, file: BinaryIO, start: int, end: int, index: int) -> Any:
        file.seek(start)
        try:
            return json.loads(file.read(end - start))
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{self.describe(index)} (byte {start}) is not JSON: {error}.") from error

    @staticmethod
    def _lines(file: BinaryIO) -> Iterator[tuple[int, int]]:
        start = 0
        for line in file:
            if line.strip():
                yield start, start + len(line)
            start += len(line)

    def _items(self, file: BinaryIO) -> Iterator[tuple[int, int]]:
        """
        Start and end, in bytes, of the objects of a list. Bytes are read as Latin-1, one character each: what is in the
        strings comes out wrong, but brackets, quotes and escapes are ASCII and stay where they are.
        """
        decoder = json.JSONDecoder()
        text, offset, position, block = "", 0, 0, _BLOCK_BYTES  # `text` starts at byte `offset`
        expected = "["
        while True:
            text, offset, position = text[position:], offset + position, 0
            more = file.read(block).decode("latin-1")
            text += more
            block = _BLOCK_BYTES
            if offset == 0 and text.startswith("\xef\xbb\xbf"):  # the mark that some editors put before UTF-8
                position = 3
            while True:
                while position < len(text) and text[position] in " \t\r\n":
                    position += 1
                if position == len(text):
                    break
                if text[position] not in expected:
                    raise ValueError(
                        f"{self.path} is not a list of samples: there is {text[position]!r} at byte {offset + position}, not "
                        f"{' or '.join(map(repr, expected)) or 'the end'}. One sample per line goes into a .jsonl file."
                    )
                if text[position] == "{":
                    try:
                        _, end = decoder.raw_decode(text, position)
                    except (ValueError, RecursionError) as error:
                        if more and len(text) - position < _LONGEST_BYTES:
                            block = len(text)  # it may go on: twice as much is read
                            break
                        raise ValueError(f"{self.path} is damaged at byte {offset + position}: {error}.") from error
                    yield offset + position, offset + end
                    position, expected = end, ",]"
                else:
                    expected = {"[": "{]", ",": "{", "]": ""}[text[position]]
                    position += 1
            if not more and not expected:
                return
            if not more:
                raise ValueError(f"{self.path} is damaged: it ends at byte {offset + len(text)}, inside of the list.")


class ArrowSource:
    """
    The samples of a `datasets.Dataset`, which stay on disk, mapped into memory. Their videos and images are files that are not opened
    yet, `{"bytes": ..., "path": ...}`, unless the dataset has a format of its own.

    Args:
        dataset (`datasets.Dataset`): the dataset.
        name (`str`): what to call it in messages.
    """

    def __init__(self, dataset: Any, name: str):
        self.dataset, self.name = dataset, name
        self._rows = StoredRows(dataset)
        self.folder = Path()

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> Any:
        return self._rows[index]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._rows)

    def describe(self, index: int) -> str:
        return f"sample {index} of {self.name}"


Source = JsonSource | CsvSource | ParquetSource | ArrowSource
_KINDS: dict[str, type[JsonSource | CsvSource | ParquetSource]] = {
    ".json": JsonSource,
    ".jsonl": JsonSource,
    ".csv": CsvSource,
    ".parquet": ParquetSource,
}
SUFFIXES = tuple(_KINDS)


def open_sources(data: Any) -> list[Source]:
    """
    Args:
        data:
            One of, or a list of: a path of a `.json`, `.jsonl`, `.csv` or `.parquet` file, of a folder that `datasets` has saved, or a
            `datasets.Dataset`.

    Returns:
        `list`: of each, its samples: `len(source)`, `source[index]` and `iter(source)` give them, as mappings where the file is
        well-formed JSON, else always; `source.describe(index)` names one for messages; `source.folder` is the folder that it lies in.

    Raises:
        FileNotFoundError: if there is no such path.
        ImportError: if the package that reads it is missing.
        ValueError: if it is something else, or damaged.
    """
    several = isinstance(data, Sequence) and not isinstance(data, str)
    return [_open(one) for one in data] if several else [_open(data)]


def _open(data: Any) -> Source:
    if not isinstance(data, (str, os.PathLike)):
        if hasattr(data, "column_names") and hasattr(data, "__len__") and not isinstance(data, dict):
            return ArrowSource(data, f"the dataset {getattr(data, '_fingerprint', '')}".strip())
        raise ValueError(
            f"Not a dataset: {type(data).__name__} {repr(data)[:80]}. Pass a .json, .jsonl, .csv or .parquet file, a folder "
            "that `datasets` has saved, a `datasets.Dataset`, or a list of these."
        )
    path = Path(data)
    if not path.exists():
        raise FileNotFoundError(f"There is no data at {path}.")
    if path.is_dir():
        return _open_folder(path)
    if path.suffix.lower() not in _KINDS:
        raise ValueError(
            f"{path} is no .json file (a list of samples), .jsonl file (one in each line), .csv or .parquet file: rename it to what it is."
        )
    return _KINDS[path.suffix.lower()](path)


def _open_folder(path: Path) -> ArrowSource:
    try:
        import datasets
    except ImportError as error:
        raise ImportError(f"To read {path}, datasets is needed: pip install 'transformers-mvgpt[train]'.") from error
    if (path / "dataset_dict.json").is_file():
        splits = sorted(file.parent.name for file in path.glob("*/dataset_info.json"))
        raise ValueError(f"{path} has the splits {', '.join(splits)}: name one of them, as in {path / splits[0]}.")
    return ArrowSource(datasets.load_from_disk(str(path)), str(path))
