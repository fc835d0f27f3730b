# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
The output of many questions, which any number of kills do not harm. `answers.jsonl` is written line by line:

    answers.jsonl                 rows with answers; those of the first process as they come
    answers.jsonl.settings.json   what they depend on; it stays, so that the file can be gone on with
    answers.jsonl.lock            while somebody writes
    answers.jsonl.part-1          rows of the second process, while it runs
    answers.jsonl.merged          all of them in order, for the moment in which they take the place of the others

`answers.parquet` is made at the end of `answers.parquet.jsonl`, for which all this holds.
"""

import contextlib
import json
import os
import re
import time
from array import array
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..conversion.file_locks import locked
from ..conversion.written_files import write_file
from ..evaluation.answer_lines import LineWriter, mend, read_rows, to_line
from ..version import __version__
from ..video.limits import shorten
from .answer_files import is_in_order, merge_lines
from .row_records import row_key


SUFFIXES = (".jsonl", ".parquet")
_POLL_SECONDS = 0.1


class AnswerTable:
    """
    Args:
        out (`str`): the file, `.jsonl` or `.parquet`.

    Attributes:
        num_answers, num_errors (`int`): rows of both kinds, as [`read`] and [`count`] have counted them.

    Raises:
        ValueError: if it has another suffix.
        FileNotFoundError, IsADirectoryError: if there is no folder for it, or it is one.
        ImportError: if a package that writes it is missing.
    """

    def __init__(self, out: str | os.PathLike) -> None:
        self.out = Path(out)
        if self.out.suffix not in SUFFIXES:
            raise ValueError(f"The output {shorten(str(out))} must end in {' or '.join(SUFFIXES)}.")
        if self.out.is_dir():
            raise IsADirectoryError(f"{self.out} is a folder: name a file in it.")
        if not self.out.absolute().parent.is_dir():
            raise FileNotFoundError(
                f"There is no folder {self.out.absolute().parent} for {self.out.name}: make it first."
            )
        if self.out.suffix == ".parquet":
            try:
                import pyarrow.parquet  # noqa: F401
            except ImportError as error:
                raise ImportError(f"To write {self.out}, pyarrow is needed: pip install pyarrow.") from error
        self._lines = self.out if self.out.suffix == ".jsonl" else self._beside(".jsonl")
        self._settings_file = self._beside(".settings.json")
        self._merged = Path(f"{self._lines}.merged")
        self.num_answers, self.num_errors = 0, 0

    @contextlib.contextmanager
    def claimed(
        self, settings: Mapping[str, Any], *, overwrite: bool = False, retry_errors: bool = False
    ) -> Iterator[None]:
        """
        Holds the output, mends what a kill has left, and puts all answers that there are into one file.

        Args:
            settings (`Mapping`): what the answers depend on, in plain types.
            overwrite (`bool`): forget what is there.
            retry_errors (`bool`): forget rows with errors, which are then answered again.

        Raises:
            FileExistsError: if another run writes to it, it was written with other settings, or is another file.
        """
        busy = f"Another run is writing to {self.out}: wait for its end, or choose another file."
        with locked(self._beside(".lock"), busy), contextlib.ExitStack() as others:
            for part in self._parts():  # of processes that were left behind
                others.enter_context(locked(f"{part}.lock", busy))
            if overwrite:
                self._forget()
            self._check_settings(dict(settings))
            self._recover()
            others.close()
            self._write_settings(dict(settings))
            if retry_errors and self._lines.is_file():
                rows = (row for _, _, row in read_rows(self._lines) if row.get("error") is None)
                self._replace_lines(rows)
            try:
                yield
            finally:
                if not self._has_rows():
                    self._forget()

    @contextlib.contextmanager
    def part(self, number: int) -> Iterator[LineWriter]:
        """The file that a process, by its number, appends rows to; the first writes where the output grows."""
        path = self._lines if number == 0 else Path(f"{self._lines}.part-{number}")
        with contextlib.ExitStack() as stack:
            if number:
                stack.enter_context(locked(f"{path}.lock", f"Another process is writing to {path}."))
            writer = LineWriter(path)
            stack.callback(writer.close)
            yield writer

    def read(self) -> "Counter[int]":
        """Keys of the rows that are there, as often as they are; counts answers and errors."""
        done: Counter[int] = Counter()
        self.num_answers = self.num_errors = 0
        if self._lines.is_file():
            for _, _, row in read_rows(self._lines):
                done[row_key(row)] += 1
                self.count(row)
        return done

    def count(self, row: Mapping[str, Any]) -> None:
        """Counts a row as answered or failed."""
        self.num_answers += row.get("error") is None
        self.num_errors += row.get("error") is not None

    def wait_for_parts(self) -> None:
        """Returns when no other process writes to a part any more, finished or not."""
        for part in self._parts():
            while True:
                with contextlib.suppress(FileExistsError), locked(f"{part}.lock", ""):
                    break
                time.sleep(_POLL_SECONDS)

    def bring_into_order(self, asked: "array[int]") -> None:
        """
        Puts the rows of all processes into one file.

        Args:
            asked (`array` of unsigned 64-bit numbers): the keys of the input's rows, whose order they get.
        """
        if self._parts() or not is_in_order(self._lines, asked):
            self._merge(asked)

    def finish(self) -> None:
        """Brings the rows into the form that the output is to have."""
        if self.out != self._lines:
            from ..evaluation.answer_parquet import write_parquet

            unfinished = self._beside(".unfinished")
            write_parquet(self._lines, unfinished)
            os.replace(unfinished, self.out)
            self._lines.unlink()

    def owns(self, path: str | os.PathLike) -> bool:
        """Whether a path, or where it leads, is the output or a file beside it."""
        out = Path(os.path.realpath(self.out))
        places = {Path(os.path.abspath(path)), Path(os.path.realpath(path))}
        return any(
            place.parent == folder and (place.name == name or place.name.startswith(f"{name}."))
            for place in places
            for folder, name in ((out.parent, out.name), (Path(os.path.abspath(self.out)).parent, self.out.name))
        )

    def _beside(self, ending: str) -> Path:
        return Path(f"{self.out}{ending}")

    def _parts(self) -> list[Path]:
        pattern = re.compile(re.escape(self._lines.name) + r"\.part-(\d+)")
        found = {}
        for path in self._lines.absolute().parent.iterdir():
            if match := pattern.fullmatch(path.name):
                found[int(match[1])] = path
        return [found[number] for number in sorted(found)]

    def _has_rows(self) -> bool:
        return any(
            path.is_file() and path.stat().st_size > 0
            for path in {self.out, self._lines, self._merged, *self._parts()}
        )

    def _forget(self) -> None:
        """Removes all that belongs to the output; the settings last, by which it is recognized."""
        beside = (self._beside(".unfinished"), self._beside(".lines"), self._settings_file)
        for path in (self.out, self._lines, self._merged, *self._parts(), *beside):
            path.unlink(missing_ok=True)

    def _check_settings(self, settings: dict[str, Any]) -> None:
        if not self._has_rows():
            return
        try:
            before = dict(json.loads(self._settings_file.read_text(encoding="utf-8"))["settings"].items())
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise FileExistsError(
                f"{self.out} is there already, and no {self._settings_file.name} beside it says how it was made: choose another file, or "
                "let it be replaced (`overwrite=True`)."
            ) from error
        now = json.loads(json.dumps(settings))
        if differing := [name for name in {**before, **now} if before.get(name) != now.get(name)]:
            name = differing[0]
            more = f", and {', '.join(f'`{other}`' for other in differing[1:])}" if len(differing) > 1 else ""
            raise FileExistsError(
                f"{self.out} has answers with other settings: `{name}` was {shorten(repr(before.get(name)))}, now "
                f"{shorten(repr(now.get(name)))}{more}. Choose another file, go on with those, or begin anew (`overwrite=True`)."
            )

    def _write_settings(self, settings: dict[str, Any]) -> None:
        content = {"settings": settings, "version": __version__}
        write_file(self._settings_file, json.dumps(content, indent=2) + "\n")

    def _recover(self) -> None:
        if self._merged.is_file():
            self._take_merged()
        if self.out != self._lines and self.out.is_file() and not self._lines.is_file():
            from ..evaluation.answer_parquet import parquet_rows

            self._replace_lines(parquet_rows(self.out))
        for path in (self._lines, *self._parts()):
            if path.is_file():
                mend(path)
        if self._parts():
            self._merge(None)

    def _merge(self, asked: "array[int] | None") -> None:
        unfinished = self._beside(".lines")
        paths = [path for path in (self._lines, *self._parts()) if path.is_file()]
        merge_lines(paths, unfinished, asked)
        # from here on, what is merged counts, and the parts do not
        os.replace(unfinished, self._merged)
        self._take_merged()

    def _take_merged(self) -> None:
        for part in self._parts():
            part.unlink()
        os.replace(self._merged, self._lines)

    def _replace_lines(self, rows: Iterator[Mapping[str, Any]]) -> None:
        unfinished = self._beside(".lines")
        with open(unfinished, "wb") as file:
            file.writelines(map(to_line, rows))
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, self._lines)
