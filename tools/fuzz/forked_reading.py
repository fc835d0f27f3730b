# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Reads files in processes of their own, some at once, and says how each ended."""

import os
import signal
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path


OUTCOMES = ("answered", "named error", "unnamed error", "crash", "hang", "memory")
GOOD_OUTCOMES = OUTCOMES[:2]

_MAX_MESSAGE_CHARACTERS = 1500
_POLL_SECONDS = 0.005


@dataclass
class Ending:
    """
    Args:
        path (`Path`): what was read.
        outcome (`str`): one of `OUTCOMES`.
        seconds (`float`): how long it took.
        num_bytes (`int`): by how much memory grew at most. What is loaded of libraries meanwhile counts too.
        message (`str`): of the error, or the last words of a crash.
    """

    path: Path
    outcome: str
    seconds: float
    num_bytes: int
    message: str


class _Reading:
    """A forked process that reads one file."""

    def __init__(self, path: Path, read: Callable[[Path], None], words: Path) -> None:
        self.path, self.words = path, words
        self.begun = time.monotonic()
        self.reason = ""
        signal_to_begin, begin = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.read(signal_to_begin, 1)
            os._exit(_read_in_child(path, read, words))
        self.memory_before = _resident_bytes(self.pid)
        os.write(begin, b"b")
        os.close(begin)
        os.close(signal_to_begin)

    def watch(self, max_seconds: float, max_bytes: int) -> None:
        """Ends it if it takes too much."""
        if time.monotonic() - self.begun > max_seconds:
            self.reason = "hang"
        elif _resident_bytes(self.pid) - self.memory_before > 2 * max_bytes:
            self.reason = "memory"
        if self.reason:
            os.kill(self.pid, signal.SIGKILL)

    def ended(self, max_bytes: int) -> Ending | None:
        pid, status, usage = os.wait4(self.pid, os.WNOHANG)
        if pid == 0:
            return None
        seconds = time.monotonic() - self.begun
        num_bytes = max(0, usage.ru_maxrss * 1024 - self.memory_before)
        code = os.waitstatus_to_exitcode(status)
        if not self.reason and num_bytes > max_bytes:
            self.reason = "memory"
        outcome = self.reason or (OUTCOMES[code] if 0 <= code < 3 else "crash")
        message = self.words.read_text("utf-8", errors="replace").strip() if self.words.exists() else ""
        if outcome == "crash":
            message = f"exit status {code}. {message[-_MAX_MESSAGE_CHARACTERS:]}"
        self.words.unlink(missing_ok=True)
        return Ending(self.path, outcome, seconds, num_bytes, message)


def read_forked(
    paths: Iterable[Path],
    read: Callable[[Path], None],
    folder: Path,
    num_processes: int,
    max_seconds: float,
    max_bytes: int,
) -> Iterator[Ending]:
    """
    Args:
        paths (`Iterable[Path]`): files; the next is made when there is a process for it.
        read (`Callable[[Path], None]`): returns, or raises.
        folder (`Path`): for what the processes say.
        num_processes (`int`): how many read at once.
        max_seconds (`float`), max_bytes (`int`): what one may take.
    """
    running: list[_Reading] = []
    waiting = iter(paths)
    more = True
    while more or running:
        while more and len(running) < num_processes:
            path = next(waiting, None)
            if path is None:
                more = False
            else:
                running.append(_Reading(path, read, folder / f"{path.name}.words"))
        time.sleep(_POLL_SECONDS)
        for reading in list(running):
            ending = reading.ended(max_bytes)
            if ending is None:
                reading.watch(max_seconds, max_bytes)
            else:
                running.remove(reading)
                yield ending


def _read_in_child(path: Path, read: Callable[[Path], None], words: Path) -> int:
    """The number of the outcome in `OUTCOMES`. What is written to stderr goes to the file `words`."""
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    descriptor = os.open(words, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    try:
        read(path)
    except (ValueError, OSError) as error:
        os.write(2, str(error).encode("utf-8", "replace"))
        return 1 if is_named(error, path) else 2
    except BaseException:
        os.write(2, traceback.format_exc(limit=-3).encode("utf-8", "replace"))
        return 2
    return 0


def is_named(error: Exception, path: Path) -> bool:
    """Whether it says in a line which file it is about."""
    message = str(error)
    return path.name in message and "\n" not in message and len(message) <= _MAX_MESSAGE_CHARACTERS


def _resident_bytes(pid: int) -> int:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")
