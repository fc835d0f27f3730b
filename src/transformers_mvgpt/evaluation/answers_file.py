# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The file of answers: written row by row, so that a run that was interrupted goes on where it stopped."""

import contextlib
import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..conversion.file_locks import locked
from ..conversion.written_files import check_new_file, write_file
from ..video.limits import shorten
from .answer_lines import LineWriter, mend, to_line
from .answer_parquet import parquet_rows, write_parquet


# In each row: what was asked, as a digest; and of which model, how.
KEY, RUN = "key", "run"
# Characters of a key that are equal where the same is asked, whatever the right answer is.
ASKED_LENGTH = 16


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
        ValueError: if its name ends otherwise, or a line of it is damaged.
        ImportError: if pyarrow is needed and missing.
    """

    def __init__(self, path: str | os.PathLike, run: Mapping[str, Any], overwrite: bool = False) -> None:
        self.path, self.run = Path(path), dict(run)
        if self.path.suffix not in (".jsonl", ".parquet"):
            raise ValueError(f"`--answers {shorten(str(self.path))}`: the name must end in .jsonl or .parquet.")
        check_new_file(self.path, overwrite=True)
        self._lines = self.path
        if self.path.suffix == ".parquet":
            try:
                import pyarrow.parquet  # noqa: F401
            except ImportError as error:
                raise ImportError(
                    "Answers in a Parquet file need pyarrow: pip install pyarrow, or name a .jsonl file."
                ) from error
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
        if self._overwrite:
            self._lines.write_bytes(b"")
            self._overwrite = False
        writer = LineWriter(self._lines)
        try:
            writer.append({**row, RUN: self.run})
        finally:
            writer.close()

    def drop(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Takes rows out, of those that were read. Either all of them are gone or, if the process is killed, none."""
        if not rows:
            return
        dropped = {id(row) for row in rows}
        self.rows = [row for row in self.rows if id(row) not in dropped]
        write_file(self._lines, b"".join(to_line({**row, RUN: self.run}) for row in self.rows))

    def finish(self) -> None:
        """Makes the Parquet file, if that is wanted, when all rows are there."""
        if self.path == self._lines or not self._lines.is_file():
            return
        unfinished = self.path.with_name(f"{self.path.name}.unfinished")
        write_parquet(self._lines, unfinished)
        os.replace(unfinished, self.path)
        self._lines.unlink()

    def _read(self) -> list[dict[str, Any]]:
        if self._overwrite:
            return []
        if whole := self._whole_lines():
            rows = self._parse(whole)
        elif self.path.is_file() and self.path != self._lines:
            rows = [*parquet_rows(self.path)]
        else:
            return []
        for row in rows:
            self._check(row)
        return [{name: value for name, value in row.items() if name != RUN} for row in rows]

    def _parse(self, lines: bytes) -> list[Any]:
        """
        Raises:
            FileExistsError: if no line is a row of answers.
            ValueError: if some lines are, and another one is damaged.
        """
        rows: list[Any] = []
        damaged = None
        for number, line in enumerate(lines.splitlines(), start=1):
            try:
                rows.append(json.loads(line))
            except (ValueError, RecursionError) as error:
                damaged = damaged or f"Line {number} of {self._lines} is damaged ({error})"
        if damaged is None:
            return rows
        if not any(map(_is_row, rows)):
            raise self._not_ours()
        raise ValueError(f"{damaged}: take it out, and its question is asked again, or begin anew (`--overwrite`).")

    def _whole_lines(self) -> bytes:
        """Without what is left of a row that was being written when the process was killed."""
        content = self._lines.read_bytes() if self._lines.is_file() else b""
        whole = content[: content.rfind(b"\n") + 1]
        if content and not whole:
            raise self._not_ours()
        return whole

    def _mend(self) -> None:
        """Brings the rows that were read into the form that others are added to."""
        if self._whole_lines():
            mend(self._lines)
            return
        for row in self.rows:
            self.append(row)

    def _check(self, row: Any) -> None:
        if not _is_row(row):
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


def _is_row(row: Any) -> bool:
    return isinstance(row, dict) and isinstance(row.get(KEY), str) and isinstance(row.get(RUN), dict)


def take_answered(rows: list[dict[str, Any]], keys: list[str]) -> list[dict[str, Any] | None]:
    """For each key the row that has it, each row once; `None` where there is none."""
    of_key: dict[str, list[dict[str, Any]]] = {}
    for row in reversed(rows):
        of_key.setdefault(row[KEY], []).append(row)
    return [of_key[key].pop() if of_key.get(key) else None for key in keys]


def superseded(
    rows: list[dict[str, Any]], keys: list[str], answered: list[dict[str, Any] | None]
) -> list[dict[str, Any]]:
    """
    Rows that will be there anew, as the right answer, type or options of their question were changed.

    Args:
        rows (`list[dict]`): of the file.
        keys (`list[str]`): of the questions.
        answered (`list[dict | None]`): what [`take_answered`] has found for them.
    """
    missing = Counter(key[:ASKED_LENGTH] for key, row in zip(keys, answered, strict=True) if row is None)
    kept = {id(row) for row in answered}
    found = []
    for row in rows:
        asked = row[KEY][:ASKED_LENGTH]
        if id(row) not in kept and missing[asked] > 0:
            missing[asked] -= 1
            found.append(row)
    return found
