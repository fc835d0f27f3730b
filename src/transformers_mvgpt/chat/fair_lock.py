# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""A lock that is taken in the order in which it was asked for: Python's own may go to the same thread again and again."""

import threading
from collections import deque
from types import TracebackType


# Windows runs no handler of a signal while a thread waits without an end.
_POLL_SECONDS = 0.5


class FairLock:
    """
    One thread at a time, first come first served. Long work calls [`let_others`] where it can be interrupted.

    Raises:
        RuntimeError: if a thread that has it enters it again.
    """

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._owner: int | None = None
        self._waiting: deque[tuple[int, threading.Event]] = deque()

    def __enter__(self) -> None:
        thread = threading.get_ident()
        with self._guard:
            if self._owner == thread:
                raise RuntimeError(
                    "The model is at work in this thread: neither frames nor questions can be given to it from there, as in a stopping "
                    "criterion or a streamer of an answer."
                )
            if self._owner is None:
                self._owner = thread
                return
            turn = threading.Event()
            self._waiting.append((thread, turn))
        try:
            while not turn.wait(_POLL_SECONDS):
                pass
        except BaseException:  # Ctrl+C
            with self._guard:
                if not turn.is_set():
                    self._waiting.remove((thread, turn))
            self._pass_on()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._pass_on()

    def let_others(self) -> None:
        """
        Lets those that wait now have their turn, each once, and goes on after them. The calling thread has the lock. If the wait is
        interrupted, it has it no more, and leaving it does nothing.
        """
        with self._guard:
            if not self._waiting:
                return
        self._pass_on()
        self.__enter__()

    def _pass_on(self) -> None:
        """Of the thread that has it; another one has nothing to pass on."""
        with self._guard:
            if self._owner != threading.get_ident():
                return
            self._owner = None
            if self._waiting:
                self._owner, turn = self._waiting.popleft()
                turn.set()
