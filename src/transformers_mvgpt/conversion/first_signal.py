# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Ctrl-C and SIGTERM in long work: the first is remembered, the second ends the process."""

import os
import signal
import sys
import threading
from typing import Any


class Stopped(KeyboardInterrupt):
    """
    Long work was stopped by Ctrl-C or SIGTERM.

    Args:
        message (`str`): where it stopped and how it goes on.
        signal_number (`int`): of the signal; 128 more is the exit code of a command.
    """

    def __init__(self, message: str, signal_number: int):
        super().__init__(message)
        self.signal_number = signal_number


class FirstSignal:
    """
    While it is entered, the first Ctrl-C or SIGTERM is remembered, and the second of the same kind ends the process at once.

    Python raises its KeyboardInterrupt wherever it happens to be, and where that is a callback from C, such as a finalizer or a
    hook of the autograd engine, it is printed and forgotten. A mark that is looked at after each step cannot get lost.

    Args:
        step (`str`): what is finished first, for the message: "step, with a checkpoint".

    Attributes:
        received (`int`, *optional*): the first signal.
    """

    def __init__(self, step: str):
        self.received: int | None = None
        self._step = step
        self._previous: dict[int, Any] = {}

    def __enter__(self):
        self._process = os.getpid()
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._previous[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *error: Any) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def on_first(self) -> None:
        """Is called when the first signal has been remembered; it may raise."""
        again = "press Ctrl-C" if self.received == signal.SIGINT else "send SIGTERM"
        sys.stderr.write(f"\nStopping after this {self._step}; {again} again to end at once.\n")

    def _handle(self, number: int, frame: Any) -> None:
        if os.getpid() != self._process:
            return  # a worker that was forked: it goes on to feed the last step, and ends with the run
        signal.signal(number, signal.SIG_DFL)
        if self.received is not None:  # a launcher that passes on Ctrl-C sends SIGTERM too
            return
        self.received = number
        self.on_first()
