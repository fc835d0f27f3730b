# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Progress on stderr."""

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO

import typer

from ..video.reading_reports import listen_to_reading
from .terminal_text import count_columns, harmless_line, is_terminal, width


# A line that is gone at once would only flicker.
_SECONDS_BEFORE = 0.4
_SECONDS_BETWEEN = 0.15
_SECONDS_BETWEEN_BARS = 0.5
_SPINNERS = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏", "|/-\\"


@contextmanager
def step(text: str, *, is_quiet: bool = False) -> Iterator[Callable[[str], None]]:
    """
    Shows a moving line with the elapsed seconds while something takes long. The line has a thread of its own, so that it also
    moves while a slow decoder seeks or torch computes. While a video is downloaded or its frames are decoded, it also says how far
    that is. It makes way for all that is printed meanwhile, and is gone afterwards. Steps
    within a step stand in its place.

    Args:
        text (`str`): What is done, such as "Loading the model".
        is_quiet (`bool`): Whether nothing is shown. Nor is anything where stderr is no terminal, or a launcher's other process shows it.

    Returns:
        A context manager that yields a function to change the text.
    """
    is_other_process = os.environ.get("LOCAL_RANK", "0") != "0"
    if is_quiet or is_other_process or not is_terminal(sys.stderr):
        yield lambda text: None
        return
    with _line.show(_Step(text)) as shown, listen_to_reading(shown.tell_reading):
        yield shown.change


def _describe_amount(unit: str, completed: int, total: int | None) -> str:
    """As in "12.5 of 40.0 MB" and "3 of 16 frames"."""
    if unit == "bytes":
        return f"{completed / 1e6:.1f} MB" if total is None else f"{completed / 1e6:.1f} of {total / 1e6:.1f} MB"
    return f"{completed} {unit}" if total is None else f"{completed} of {total} {unit}"


class _Step:
    """What is done, and since when."""

    def __init__(self, text: str) -> None:
        self.text, self.reading = text, ""
        self.start, self.is_announced = time.monotonic(), False

    def change(self, text: str) -> None:
        self.text, self.reading, self.is_announced = text, "", False

    def tell_reading(self, unit: str, completed: int, total: int | None) -> None:
        self.reading = "" if completed == total else f": {_describe_amount(unit, completed, total)}"

    def describe(self, spinner: str, num_columns: int) -> str:
        """The line, cut so that at most `num_columns` are taken."""
        seconds = int(time.monotonic() - self.start)
        elapsed = f"{seconds // 60}:{seconds % 60:02d}" if seconds >= 60 else f"{seconds} s"
        # names of files may hold anything
        text = harmless_line(self.text + self.reading)
        room = num_columns - len(spinner) - len(elapsed) - 3
        if room < 4:
            return _cut(f"{spinner} {elapsed}".strip(), num_columns)
        return f"{spinner} {_cut(text, room)}  {elapsed}".strip()


class _Line:
    """
    The last line of the terminal. Whoever writes to stdout or stderr meanwhile, by whatever reference to them, finds it cleared;
    it comes back when the cursor is at the start of a line again. While tqdm has a bar there, the bar moves instead.
    """

    def __init__(self) -> None:
        # A signal's handler may write while its thread holds the lock.
        self._lock = threading.RLock()
        self._steps: list[_Step] = []
        self._streams: list[TextIO] = []
        self._num_drawn = 0
        self._is_free = True
        self._is_kept_whole = False
        self._ended = threading.Event()

    def _keep_whole_at_forks(self) -> None:
        """A process that is forked while a line is written would wait for it for ever when it writes itself."""
        if not self._is_kept_whole and hasattr(os, "register_at_fork"):
            release = self._lock.release
            os.register_at_fork(before=self._lock.acquire, after_in_parent=release, after_in_child=release)
        self._is_kept_whole = True

    @contextmanager
    def show(self, shown: _Step) -> Iterator[_Step]:
        with self._lock:
            self._steps.append(shown)
            if len(self._steps) == 1:
                self._begin()
        try:
            yield shown
        finally:
            with self._lock:
                self._steps.remove(shown)
                if not self._steps:
                    self._end()

    def _begin(self) -> None:
        self._terminal, self._process, self._is_free = sys.stderr, os.getpid(), True
        self._streams = [stream for stream in (sys.stdout, sys.stderr) if stream is not None and is_terminal(stream)]
        for stream in self._streams:
            self._watch(stream)
        self._ended = threading.Event()
        self._keep_whole_at_forks()
        threading.Thread(target=self._draw_until, args=(self._ended,), daemon=True).start()

    def _end(self) -> None:
        self._ended.set()
        self._clear()
        for stream in self._streams:
            del stream.write  # of the object: that of its class is back

    def _watch(self, stream: Any) -> None:
        write = stream.write

        def write_without_line(text: str) -> int:
            # a forked process has no line of its own, and the lock may have been held when it began
            if os.getpid() != self._process:
                return write(text)
            with self._lock:
                self._clear()
                if text:
                    self._is_free = text[-1] in "\r\n"
                return write(text)

        stream.write = write_without_line
        if stream is self._terminal:
            self._write = write

    def _draw_until(self, ended: threading.Event) -> None:
        is_dumb = os.environ.get("TERM", "dumb" if os.name == "posix" else "") == "dumb"
        spinners = next(letters for letters in _SPINNERS if _can_write(letters, self._terminal))
        turn, next_refresh = 0, 0.0
        while not ended.wait(_SECONDS_BETWEEN):
            with self._lock:
                is_free = self._is_free
                if ended.is_set():
                    return
                if is_free:
                    turn += self._show_step(spinners[turn % len(spinners)], is_dumb)
            # without the lock, as a bar that is drawn elsewhere holds tqdm's and waits for it
            if not is_free and time.monotonic() >= next_refresh:
                _refresh_bars()
                next_refresh = time.monotonic() + _SECONDS_BETWEEN_BARS

    def _show_step(self, spinner: str, is_dumb: bool) -> int:
        """Whether the line has moved."""
        shown = self._steps[-1]
        if time.monotonic() - self._steps[0].start < _SECONDS_BEFORE:
            return 0
        if is_dumb:
            self._announce(shown)
        else:
            self._draw(shown.describe(spinner, count_columns(self._terminal) - 1))
        return 1

    def _announce(self, shown: _Step) -> None:
        """On a terminal that cannot go back in a line: each text, once."""
        if not shown.is_announced and shown.text:
            shown.is_announced = True
            self._write(f"{harmless_line(shown.text)} ...\n")
            self._terminal.flush()

    def _draw(self, line: str) -> None:
        num_columns = width(line)
        # The cursor waits at the start: what another library writes past Python then begins there.
        self._write(f"\r{line}{' ' * (self._num_drawn - num_columns)}\r")
        self._terminal.flush()
        self._num_drawn = num_columns

    def _clear(self) -> None:
        if self._num_drawn:
            self._write(f"\r{' ' * self._num_drawn}\r")
            self._terminal.flush()
            self._num_drawn = 0


_line = _Line()


def _refresh_bars() -> None:
    """So that the seconds of a bar go on while nothing counts."""
    if "tqdm" in sys.modules:
        from tqdm import tqdm

        for bar in list(getattr(tqdm, "_instances", ())):
            bar.refresh()


def _can_write(letters: str, stream: TextIO) -> bool:
    try:
        letters.encode(stream.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True


def _cut(text: str, num_columns: int) -> str:
    if width(text) <= num_columns:
        return text
    kept, taken = "", 3
    for letter in text:
        taken += width(letter)
        if taken > num_columns:
            break
        kept += letter
    return (kept + "...")[: max(num_columns, 0)]


@contextmanager
def conversion_progress() -> Iterator[Callable[[str, int, int], None]]:
    """A function that shows the steps of a conversion."""
    from tqdm import tqdm

    bars: dict[str, tqdm] = {}
    with step("Starting") as change:

        def show(name: str, completed: int, total: int) -> None:
            # loading and writing, of which nothing is counted
            if total == 1:
                change(name)
                if not completed and not is_terminal(sys.stderr):
                    typer.echo(name, err=True)
                return
            if name not in bars:
                bars[name] = tqdm(desc=name, total=total)
            bars[name].update(completed - bars[name].n)
            if completed == total:
                bars[name].close()

        try:
            yield show
        finally:
            for bar in bars.values():
                bar.close()
