# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""What is to be looked at: files, folders, patterns, lists and datasets, as rows in one order."""

import glob
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ..training.media_folder import MediaFolder
from ..training.sources import SUFFIXES, ArrowSource, ParquetSource, Source, open_sources
from ..video.limits import shorten
from ..video.visual_files import ADDRESS, describe_left_out, find_files, find_matches, kind_of_name
from .row_records import column_names, is_missing, plain


_LONGEST_NAME = 2000


class InputRow(NamedTuple):
    """
    Args:
        record (`dict`): the row as it is written, without an answer.
        row (`dict`): as [`Captioner`] takes it, with a path, address, bytes or object that can be opened; or with an `"error"`.
    """

    record: dict[str, Any]
    row: dict[str, Any]


class InputRows:
    """
    The rows of inputs, in their order. Of lists, none is held; of folders, the paths.

    Args:
        inputs:
            One of, or a list of: a path or address of a video or image; a folder, of which all videos are taken (with a model that
            takes images alone, all images), those in its folders included; a pattern such as `"clips/**/*.mp4"`; a list as a
            `.json`, `.jsonl`, `.csv` or `.parquet` file or a folder that `datasets` has saved, with the column `video` or `image` and maybe
            `question`; a `datasets.Dataset` with such columns; a mapping with such keys.
        kinds (`tuple[str, ...]`): what the model takes, as [`Captioner`] says it.
        prompt (`str`, *optional*): the question of rows that have none.
        check (`Callable`): raises a ValueError on what is no row.
        media_folder (`str`, *optional*): what paths in lists are relative to, and do not leave; by default the folder of the list.
        media_anywhere (`bool`, defaults to `False`): whether absolute paths, `..` and links may leave that folder.
        is_output (`Callable`, *optional*): whether a path that matches a pattern is one of the run's own files, which are passed over.

    Attributes:
        relative_to (`list[str]`): the folders that names in the rows are relative to.
        list_files (`list[str]`): the files that are lists, without links.
        left_out (`Counter`): suffixes of files in folders that are not taken, with how many there are.

    Raises:
        FileNotFoundError: if there is nothing at a path.
        ValueError: if there is nothing to look at, or the first row of a list is none.
    """

    def __init__(
        self,
        inputs: Any,
        kinds: tuple[str, ...],
        prompt: str | None,
        check: Callable[[Mapping[str, Any]], None],
        media_folder: str | os.PathLike | None = None,
        media_anywhere: bool = False,
        is_output: Callable[[str], bool] = lambda path: False,
    ) -> None:
        self.kinds, self.prompt, self.check, self.is_output = kinds, prompt, check, is_output
        self.left_out: Counter[str] = Counter()
        self.list_files: list[str] = []
        self._parts: list[list[tuple[str, str]] | _Rows] = []
        is_one = isinstance(inputs, (str, os.PathLike, Mapping)) or hasattr(inputs, "column_names")
        for one in [inputs] if is_one else inputs:
            self._add(one, media_folder, media_anywhere)
        lists = [part for part in self._parts if isinstance(part, _Rows)]
        # the same name in lists of two folders is not the same video
        folders = {os.path.realpath(part.media.folder) for part in lists}
        paths = [path for part in self._parts if isinstance(part, list) for _, path in part]
        if any(not os.path.isabs(path) and not ADDRESS.match(path) for path in paths):
            folders.add(os.path.realpath("."))
        self.relative_to = sorted(folders)
        for part in lists:
            part.joins_names = len(folders) > 1
            part.check_first()
        if not len(self):
            pictures = kinds[0] == "video" and any(
                kind_of_name(f"name{suffix}", kinds) == "image" for suffix in self.left_out
            )
            more = " A folder with the frames of a video is named in a list." if pictures else ""
            raise ValueError(f"There are no {kinds[0]}s in the input.{self.describe_left_out()}{more}")

    def __len__(self) -> int:
        return sum(map(len, self._parts))

    def __iter__(self) -> Iterator[InputRow]:
        for part in self._parts:
            if isinstance(part, _Rows):
                yield from part
                continue
            for kind, path in part:
                row = {kind: path, "question": self.prompt}
                yield InputRow(row, row)

    def describe_left_out(self) -> str:
        """How many files of folders are not taken, as a sentence with a blank in front; empty if there are none."""
        return describe_left_out(self.left_out, self.kinds[0])

    def _add(self, one: Any, media_folder: str | os.PathLike | None, media_anywhere: bool) -> None:
        if isinstance(one, Mapping):
            if not (self._parts and isinstance(self._parts[-1], _GivenRows)):
                self._parts.append(_GivenRows(self))
            self._parts[-1].rows.append(one)  # type: ignore[union-attr]
            return
        if not isinstance(one, (str, os.PathLike)):
            # who hands over the object has seen what is in it
            label = f"dataset-{getattr(one, '_fingerprint', '')}"
            self._parts.append(_SourceRows(self, open_sources(one)[0], label, media_folder, True))
            return
        name = os.fspath(one)
        path = Path(name)
        if ADDRESS.match(name):
            self._add_files([name])
        elif path.is_dir():
            if any((path / file).is_file() for file in ("dataset_dict.json", "state.json")):
                self._parts.append(_SourceRows(self, open_sources(path)[0], name, media_folder, media_anywhere))
            else:
                kind = self.kinds[0]
                self._add_files(find_files(path, kind, self.left_out), kind)
        elif path.suffix.lower() in SUFFIXES and path.exists():
            self.list_files.append(os.path.realpath(path))
            # `./list.parquet` is the same list
            label = os.path.normpath(name)
            self._parts.append(_SourceRows(self, open_sources(path)[0], label, media_folder, media_anywhere))
        elif os.path.lexists(name):
            self._add_files([name])
        else:
            if not glob.has_magic(name):
                raise FileNotFoundError(f"Nothing is at {shorten(name)}.")
            found = [match for match in find_matches(name) if not os.path.isdir(match) and not self.is_output(match)]
            if not found:
                raise FileNotFoundError(f"Nothing matches the pattern {shorten(name)}.")
            for match in found:
                self._add(match, media_folder, media_anywhere)

    def _add_files(self, paths: Any, kind: str | None = None) -> None:
        if self.prompt is None:
            raise ValueError("A question is missing: give `prompt=...`, or a list with a column `question`.")
        if not (self._parts and isinstance(self._parts[-1], list)):
            self._parts.append([])
        self._parts[-1].extend((kind or kind_of_name(path, self.kinds) or self.kinds[0], path) for path in paths)  # type: ignore[union-attr]


class _Rows:
    """The rows of a list."""

    joins_names = False

    def __init__(self, inputs: InputRows, label: str, media: MediaFolder) -> None:
        self.inputs, self.label, self.media = inputs, label, media

    def __len__(self) -> int:
        raise NotImplementedError

    def records(self) -> Iterator[Any]:
        """The rows as they are, or an error in place of one that cannot be read."""
        raise NotImplementedError

    def describe(self, index: int) -> str:
        raise NotImplementedError

    def __iter__(self) -> Iterator[InputRow]:
        for index, record in enumerate(self.records()):
            yield self._row(index, record)

    def check_first(self) -> None:
        """
        Raises:
            ValueError: if the first row is none, as those behind it will not be either.
        """
        first = next(iter(self), None)
        try:
            if first is not None and "error" in first.row:
                raise ValueError(first.row["error"])
            if first is not None:
                self.inputs.check(first.row)
        except ValueError as error:
            raise ValueError(f"In {self.describe(0)}: {error}.") from error

    def _row(self, index: int, record: Any) -> InputRow:
        if isinstance(record, Exception):
            problem = f"{type(record).__name__}: {record}" if not isinstance(record, ValueError) else str(record)
            return InputRow({"row": self.describe(index)}, {"error": problem})
        if not isinstance(record, Mapping):
            problem = f"it is of the type {type(record).__name__}, not an object"
            return InputRow({"row": self.describe(index)}, {"error": problem})
        written = self._written(index, record)
        row = {name: value for name, value in record.items() if name not in ("error", "answer")}
        row["question"] = written["question"]
        try:
            for kind in ("video", "image"):
                if not is_missing(record.get(kind)):
                    row[kind] = self.media.locate(record[kind], kind)
        except ValueError as error:
            row = {"error": str(error)}
        return InputRow(written, row)

    def _written(self, index: int, record: Mapping[str, Any]) -> dict[str, Any]:
        """The row in plain values. Columns that hold bytes or objects, such as pictures, are left out."""
        written: dict[str, Any] = {}
        names = column_names([str(name) for name in record])
        for name, value in record.items():
            if name in ("video", "image"):
                written[name] = self._name(index, value)
                continue
            try:
                written[names[str(name)]] = plain(value)
            except TypeError:
                continue
        if is_missing(written.get("question")):
            written["question"] = self.inputs.prompt
        return written

    def _name(self, index: int, media: Any) -> str | None:
        """What a video or image is called: its path or address, else its place in the list."""
        if isinstance(media, Mapping) and media.get("bytes") is None:
            media = media.get("path")
        if is_missing(media):
            return None
        if isinstance(media, (str, os.PathLike)) and len(os.fspath(media)) <= _LONGEST_NAME:
            name = os.fspath(media)
            return os.path.join(self.media.folder, name) if self.joins_names and not ADDRESS.match(name) else name
        return f"{self.label}#{index}"


class _GivenRows(_Rows):
    """Rows that were handed over one by one."""

    def __init__(self, inputs: InputRows) -> None:
        super().__init__(inputs, "row", MediaFolder("", anywhere=True))
        self.rows: list[Mapping[str, Any]] = []

    def __len__(self) -> int:
        return len(self.rows)

    def records(self) -> Iterator[Any]:
        return iter(self.rows)

    def describe(self, index: int) -> str:
        return f"row {index}"


class _SourceRows(_Rows):
    """Rows of a file or dataset."""

    def __init__(
        self,
        inputs: InputRows,
        source: Source,
        label: str,
        media_folder: str | os.PathLike | None,
        media_anywhere: bool,
    ) -> None:
        folder = source.folder if media_folder is None else media_folder
        super().__init__(inputs, label, MediaFolder(folder, media_anywhere))
        self.source = source

    def __len__(self) -> int:
        return len(self.source)

    def records(self) -> Iterator[Any]:
        if isinstance(self.source, (ArrowSource, ParquetSource)):
            yield from self.source
            return
        for index in range(len(self.source)):
            try:
                yield self.source[index]
            except ValueError as error:  # of JSON
                yield error

    def describe(self, index: int) -> str:
        return self.source.describe(index)
