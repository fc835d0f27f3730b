# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The file of answers: written row by row, so that a run that was interrupted goes on where it stopped."""

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..compat.safetensors_files import full_disk_is_named
from ..conversion.file_locks import locked
from ..conversion.written_files import check_new_file, write_file
from ..training.sources import open_sources
from ..video.limits import shorten


# In each row: what was asked, as a digest; and of which model, how.
KEY, RUN = "key", "run"


class AnswersFile:
    """
    Rows in a `.jsonl` file, one in each line as soon as it is there; or in a `.parquet` file, which is made of such a file beside it,
    `FILE.parquet.jsonl`, when all of them are there.

    Args:
        path (`str`): the file.
        run (`Mapping[str, Any]`): the settings of the run, which each row keeps.
        overwrite (`bool`): replace what is there, instead of going on with it.

    Attributes:
        rows (`list[dict]`): those that an earlier run has left, without the settings.

    Raises:
        FileExistsError: if the file is there and of something else, or of a run with other settings.
        FileNotFoundError, IsADirectoryError: if there is no folder for it, or it is one.
        ValueError: if its name ends otherwise.
        ImportError: if pyarrow is needed and missing.
    """

    def __init__(self, path: str | os.PathLike, run: Mapping[str, Any], overwrite: bool = False) -> None:
        self.path, self.run = Path(path), dict(run)
        if self.path.suffix not in (".jsonl", ".parquet"):
            raise ValueError(f"`--answers {shorten(str(self.path))}`: the name must end in .jsonl or .parquet.")
        check_new_file(self.path, overwrite=True)
        self._lines = self.path
        if self.path.suffix == ".parquet":
            _import_pyarrow()
            self._lines = self.path.with_name(f"{self.path.name}.jsonl")
        # what is there is replaced when there is something to replace it with
        self._overwrite = overwrite
        self.rows = self._read()

    @contextlib.contextmanager
    def claimed(self) -> Iterator[None]:
        """
        Holds the file against other runs, and reads what they have left.

        Raises:
            FileExistsError: if another run writes to it.
        """
        busy = f"Another run writes to {self.path}: wait for its end, or choose another file."
        with locked(f"{self._lines}.lock", busy):
            self.rows = self._read()
            if self.rows:
                self._mend()
            yield

    def append(self, row: Mapping[str, Any]) -> None:
        """Adds a row. It stays if the process is killed."""
        line = json.dumps({**row, RUN: self.run}, ensure_ascii=False, default=_plain) + "\n"
        with full_disk_is_named(self._lines), open(self._lines, "wb" if self._overwrite else "ab") as file:
            # what is no Unicode, such as half of a surrogate pair in a file's name, becomes JSON's escape for it
            file.write(line.encode("utf-8", "backslashreplace"))
        self._overwrite = False

    def finish(self) -> None:
        """Makes the Parquet file, if that is wanted, when all rows are there."""
        if self.path == self._lines or not self._lines.is_file():
            return
        pyarrow, parquet = _import_pyarrow()
        rows = [json.loads(line) for line in self._lines.read_text(encoding="utf-8").splitlines()]
        names = dict.fromkeys(name for row in rows for name in row)
        try:
            table = pyarrow.Table.from_pylist([_in_unicode({name: row.get(name) for name in names}) for row in rows])
        except (pyarrow.ArrowException, OverflowError) as error:
            raise ValueError(
                f"The answers do not fit a Parquet file ({shorten(str(error))}): they are in {self._lines}; give a column values of one "
                "type."
            ) from error
        sink = pyarrow.BufferOutputStream()
        parquet.write_table(table, sink)
        write_file(self.path, sink.getvalue().to_pybytes())
        self._lines.unlink()

    def _read(self) -> list[dict[str, Any]]:
        if self._overwrite:
            return []
        if whole := self._whole_lines():
            try:
                rows = [json.loads(line) for line in whole.splitlines()]
            except (ValueError, RecursionError):
                raise self._not_ours() from None
        elif self.path.is_file() and self.path != self._lines:
            read = (row for source in open_sources(self.path) for row in source)
            rows = [{name: value for name, value in row.items() if value is not None} for row in read]
        else:
            return []
        for row in rows:
            self._check(row)
        return [{name: value for name, value in row.items() if name != RUN} for row in rows]

    def _whole_lines(self) -> bytes:
        """Without what is left of a row that was being written when the process was killed."""
        content = self._lines.read_bytes() if self._lines.is_file() else b""
        whole = content[: content.rfind(b"\n") + 1]
        if content and not whole:
            raise self._not_ours()
        return whole

    def _mend(self) -> None:
        """Brings the rows that were read into the form that others are added to."""
        if whole := self._whole_lines():
            os.truncate(self._lines, len(whole))
            return
        for row in self.rows:
            self.append(row)

    def _check(self, row: Any) -> None:
        if not isinstance(row, dict) or KEY not in row or not isinstance(row.get(RUN), dict):
            raise self._not_ours()
        for name in {**self.run, **row[RUN]}:
            if self.run.get(name) != row[RUN].get(name):
                raise FileExistsError(
                    f"{self.path} has answers with {name} {shorten(repr(row[RUN].get(name)))}, and this run has "
                    f"{shorten(repr(self.run.get(name)))}: choose another file, or let it be replaced (`--overwrite`)."
                )

    def _not_ours(self) -> FileExistsError:
        return FileExistsError(
            f"{self.path} is there already: choose another file, or let it be replaced (`--overwrite`)."
        )


def take_answered(rows: list[dict[str, Any]], keys: list[str]) -> list[dict[str, Any] | None]:
    """For each key the row that has it, each row once; `None` where there is none."""
    of_key: dict[str, list[dict[str, Any]]] = {}
    for row in reversed(rows):
        of_key.setdefault(row[KEY], []).append(row)
    return [of_key[key].pop() if of_key.get(key) else None for key in keys]


def _import_pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise ImportError(
            "Answers in a Parquet file need pyarrow: pip install pyarrow, or name a .jsonl file."
        ) from error
    return pyarrow, pyarrow.parquet


def _in_unicode(value: Any) -> Any:
    """The same with texts that Parquet can hold: what is no Unicode is written out."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, dict):
        return {_in_unicode(name): _in_unicode(one) for name, one in value.items()}
    return [_in_unicode(one) for one in value] if isinstance(value, list) else value


def _plain(value: Any) -> Any:
    """What JSON has no form for: numbers of NumPy, and bytes and objects by their kind."""
    if callable(getattr(value, "tolist", None)):
        return value.tolist()
    return f"<{len(value)} bytes>" if isinstance(value, bytes) else shorten(value)
