# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Questions about a stream while it runs: typed ones, and one that is asked again and again."""

import json
import math
import os
import queue
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import typer

from ..chat.live_feed import LiveFeed
from ..chat.live_video import LiveVideo
from ..viewing.shown_times import format_seconds
from .progress import step
from .terminal_text import harmless, harmless_json, is_terminal


# Dropped frames are said no more often.
REPORT_SECONDS = 5.0
_POLL_SECONDS = 0.1


class LiveLoop:
    """
    Args:
        live ([`LiveVideo`]): what answers.
        make_feed (`Callable`): makes the feed, with what is to be called for each frame.
        question (`str`, *optional*): what is asked every `every_seconds` of the stream, and at its end.
        every_seconds (`float`): see `question`.
        waits (`bool`): whether the stream waits for answers.
        as_json (`bool`): whether an answer is a line of JSON.
        is_quiet (`bool`): whether stderr says nothing but errors.
        generate_kwargs (`dict`): for each answer.
    """

    def __init__(
        self,
        live: LiveVideo,
        make_feed: Callable[[Callable[[float], None]], LiveFeed],
        *,
        question: str | None,
        every_seconds: float,
        waits: bool,
        as_json: bool,
        is_quiet: bool,
        generate_kwargs: dict[str, Any],
    ) -> None:
        self.live, self.question, self.every_seconds = live, question, every_seconds
        self.waits, self.as_json, self.is_quiet = waits, as_json, is_quiet
        self.generate_kwargs = generate_kwargs
        self.feed = make_feed(self._on_frame)
        # `None` where no more are typed
        self._typed: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._is_terminal = is_terminal(sys.stdin)
        self._is_due, self._is_over = threading.Event(), threading.Event()
        self._due_seconds: float | None = None
        self._latest_seconds = 0.0
        # when the repeated question was asked, on the clock of the stream
        self._asked_seconds: float | None = None
        self._writing = threading.Lock()
        self._reported = (time.monotonic(), 0, 0)

    def run(self) -> None:
        """
        Until the stream ends, or no more questions are typed. A repeated question goes on where others come through a pipe that ends.

        Raises:
            OSError, ValueError: if the stream cannot be opened or breaks off.
        """
        try:
            with step("Opening the stream", is_quiet=self.is_quiet):
                self.feed.start()
            if self._is_terminal and not self.is_quiet:
                typer.echo("Type a question and Enter, at any time. Ctrl+D ends.", err=True)
            threading.Thread(target=self._read_typed, name="typed questions", daemon=True).start()
            self._answer_all()
        finally:
            self._is_over.set()
            self.feed.stop()
            self._report(is_over=True)
        if self.feed.error is not None:
            raise self.feed.error

    def _answer_all(self) -> None:
        waiting: list[str] = []
        is_typing = True
        while True:
            is_over = self.feed.is_over.is_set()
            waiting += [line for line in self._lines() if line is not None or (is_typing := False)]
            while waiting and self.live.num_frames:
                self._answer(waiting.pop(0))
            if self._is_due.is_set():
                self._is_due.clear()
                self._answer_repeated()
            self._report()
            if is_over:
                self._answer_last()
                return
            if not (is_typing or waiting) and (self.question is None or self._is_terminal):
                return

    def _lines(self) -> Iterator[str | None]:
        """What was typed meanwhile; the first is waited for, for a moment."""
        deadline = time.monotonic() + _POLL_SECONDS
        while not self._is_due.is_set():
            try:
                yield self._typed.get(timeout=max(deadline - time.monotonic(), 0.001))
            except queue.Empty:
                return

    def _read_typed(self) -> None:
        """In a thread: it may wait for ever."""
        for line in _typed_lines():
            if line := " ".join(line.split()):
                self._typed.put(line)
        self._typed.put(None)

    def _on_frame(self, seconds: float) -> None:
        """In the encoder thread."""
        self._latest_seconds = seconds
        if self.question is None:
            return
        if self._due_seconds is None or seconds < self._due_seconds - self.every_seconds:
            self._due_seconds = seconds + self.every_seconds  # the first frame, or a stream that begins anew
        if seconds < self._due_seconds:
            return
        # a stream may jump far
        self._due_seconds = max(
            self._due_seconds + self.every_seconds * ((seconds - self._due_seconds) // self.every_seconds + 1),
            math.nextafter(seconds, math.inf),
        )
        if self.waits:
            self._answer_repeated()
        else:
            self._is_due.set()

    def _answer_repeated(self) -> None:
        if self.question is not None:
            self._asked_seconds = self._latest_seconds
            self._answer(self.question)

    def _answer_last(self) -> None:
        """What a short stream, or the rest of one, is not long enough for."""
        is_answered = self._asked_seconds is not None and self._asked_seconds >= self._latest_seconds
        if self.question is not None and self.live.num_frames and not is_answered and self.feed.error is None:
            self._answer_repeated()

    def _answer(self, question: str) -> None:
        with self._writing:
            snapshot = self.live.snapshot()
            options = {"snapshot": snapshot, "is_cancelled": self._is_over.is_set, **self.generate_kwargs}
            pieces = self.live.stream(question, **options)
            start, end = snapshot.start_seconds, snapshot.end_seconds
            if self.as_json:
                line = {
                    "start_seconds": round(start, 3),
                    "end_seconds": round(end, 3),
                    "question": question,
                    "answer": "".join(pieces),
                    "num_frames": snapshot.metadata.total_num_frames,
                    "num_dropped_frames": self.feed.num_dropped,
                }
                typer.echo(harmless_json(json.dumps(line, ensure_ascii=False)))
            else:
                times = " - ".join(format_seconds(seconds, is_clock=True) for seconds in (start, end))
                typer.echo(f"[{times}] ", nl=False)
                for piece in pieces:
                    typer.echo(_in_one_line(piece), nl=False)
                    sys.stdout.flush()
                typer.echo()
            sys.stdout.flush()

    def _report(self, is_over: bool = False) -> None:
        """Says how many frames were dropped, once in a while."""
        since, num_encoded, num_dropped = self._reported
        now = time.monotonic()
        new = self.feed.num_dropped - num_dropped
        if self.is_quiet or not new or (now - since < REPORT_SECONDS and not is_over):
            return
        rate = (self.feed.num_encoded - num_encoded) / max(now - since, 0.001)
        typer.echo(
            f"{new} frame{'s' if new > 1 else ''} dropped: {rate:.1f} of {self.live.frames_per_second:g} frames per second were encoded. "
            "Lower --frames-per-second.",
            err=True,
        )
        self._reported = now, self.feed.num_encoded, self.feed.num_dropped


def _typed_lines() -> Iterator[str]:
    """
    Lines of stdin as they come. They are read past Python's own buffer, whose lock a thread that waits would still have when the process
    is to end.
    """
    try:
        descriptor = sys.stdin.fileno()
    except (AttributeError, OSError, ValueError):  # there is none, or it is no file
        yield from sys.stdin or ()
        return
    rest = b""
    while True:
        try:
            block = os.read(descriptor, 4096)
        except OSError:  # closed, or a terminal that is gone
            block = b""
        *lines, rest = (rest + block).split(b"\n")
        if not block and rest:
            lines, rest = [rest], b""
        for line in lines:
            yield line.decode("utf-8", "replace")
        if not block:
            return


def _in_one_line(piece: str) -> str:
    return harmless("".join(" " if letter.isspace() else letter for letter in piece))
