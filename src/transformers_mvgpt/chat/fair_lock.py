# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""A lock that is taken in the order in which it was asked for: Python's own may go to the same thread again and again."""

import threading
from collections import deque
from types import TracebackType


class FairLock:
    """
    One thread at a time, first come first served. Long work calls [`let_others`] where it can be interrupted.

    A thread that has it must not enter it again.
    """

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._is_taken = False
        self._waiting: deque[threading.Event] = deque()

    def __enter__(self) -> None:
        with self._guard:
            if not self._is_taken:
                self._is_taken = True
                return
            turn = threading.Event()
            self._waiting.append(turn)
        try:
            turn.wait()
        except BaseException:  # Ctrl+C
            with self._guard:
                has_come = turn.is_set()
                if not has_come:
                    self._waiting.remove(turn)
            if has_come:
                self._pass_on()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._pass_on()

    def let_others(self) -> None:
        """Lets those that wait now have their turn, each once, and goes on after them. The calling thread has the lock."""
        with self._guard:
            if not self._waiting:
                return
        self._pass_on()
        self.__enter__()

    def _pass_on(self) -> None:
        with self._guard:
            if self._waiting:
                self._waiting.popleft().set()
            else:
                self._is_taken = False
