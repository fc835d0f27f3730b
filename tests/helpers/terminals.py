# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Commands in a terminal of their own, and what it shows."""

import os
import select
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import pytest


# Makes it the terminal whose Ctrl-C the command gets.
_START = "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execvp(sys.argv[1], sys.argv[1:])"


@dataclass
class TerminalRun:
    """
    What a command wrote to its terminal.

    Attributes:
        pieces (`list[tuple[float, str]]`): Seconds since the start, and what came then.
        exit_code (`int`): Of the command; negative is a signal's number.
        num_columns (`int`): Width of the terminal.
    """

    num_columns: int
    pieces: list[tuple[float, str]] = field(default_factory=list)
    exit_code: int = 0
    seconds: float = 0

    @property
    def text(self) -> str:
        return "".join(piece for _, piece in self.pieces)

    @property
    def screen(self) -> list[str]:
        """The lines that stand there in the end, without spaces at their ends. A line that is too long counts as one."""
        return show_lines(self.text)

    def longest_silence(self) -> float:
        """Seconds in which nothing was written, the end included."""
        times = [0.0, *(seconds for seconds, _ in self.pieces), self.seconds]
        return max(after - before for before, after in zip(times, times[1:], strict=False))


def run_in_terminal(
    command: Sequence[str],
    num_columns: int = 80,
    environment: Mapping[str, str] | None = None,
    on_text: Callable[[str, int], None] | None = None,
    timeout: float = 400,
) -> TerminalRun:
    """
    Runs a command whose stdin, stdout and stderr are a terminal.

    Args:
        on_text: Called with all text so far and the terminal's file descriptor, to type something.
    """
    fcntl, termios = (pytest.importorskip(name, reason="no such terminals here") for name in ("fcntl", "termios"))
    terminal, other_end = os.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, num_columns, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-S", "-c", _START, *command],
        env={**os.environ, "TERM": "xterm-256color", **(environment or {})},
        start_new_session=True,
        stdin=other_end,
        stdout=other_end,
        stderr=other_end,
    )
    os.close(other_end)
    run, start, received = TerminalRun(num_columns), time.monotonic(), b""
    try:
        while piece := _read(terminal, start + timeout - time.monotonic()):
            received += piece
            # a letter may be cut in two
            text = received.decode("utf-8", "ignore")
            run.pieces.append((time.monotonic() - start, text[len(run.text) :]))
            if on_text is not None:
                on_text(text, terminal)
    except TimeoutError:
        process.kill()
        raise
    finally:
        run.exit_code = process.wait()
        run.seconds = time.monotonic() - start
        os.close(terminal)
    return run


def show_lines(text: str) -> list[str]:
    """What a terminal shows of a text with carriage returns."""
    lines = []
    for line in text.replace("\r\n", "\n").split("\n"):
        shown = ""
        for part in line.split("\r"):
            shown = part + shown[len(part) :]
        lines.append(shown.rstrip())
    return lines


def _read(terminal: int, seconds: float) -> bytes:
    if not select.select([terminal], [], [], max(seconds, 0))[0]:
        raise TimeoutError(f"The command has not ended in time, after {seconds:.0f} s.")
    try:
        return os.read(terminal, 65536)
    except OSError:  # EIO: nothing has it open any more
        return b""


def typed_when_shown(*steps: tuple[str, str]) -> Callable[[str, int], None]:
    """
    For `run_in_terminal`: who types each text as soon as another has come, behind that of the step before.

    Args:
        steps: What is waited for, and what is typed then.
    """
    remaining, place = list(steps), 0

    def type_next(text: str, terminal: int) -> None:
        nonlocal place
        while remaining and (found := text.find(remaining[0][0], place)) >= 0:
            shown, typed = remaining.pop(0)
            place = found + len(shown)
            os.write(terminal, typed.encode())

    return type_next
