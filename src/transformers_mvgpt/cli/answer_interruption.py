# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Ctrl-C while an answer is made."""

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

from .interruption import INTERRUPTED, end_line


# A second press within it is one of an impatient finger.
_SECONDS_BETWEEN = 1.0


class StoppedByInterrupt:
    """
    Within it, Ctrl-C raises nothing: it is set, and the model stops at its next token. Where that takes long, as before the first one, a
    second press ends the process.
    """

    def __init__(self) -> None:
        self.on_first: Callable[[], None] = lambda: None
        self._is_set = threading.Event()
        self._last = 0.0
        self._before: Any = None

    def is_set(self) -> bool:
        return self._is_set.is_set()

    def __enter__(self) -> "StoppedByInterrupt":
        # handlers belong to the main thread; elsewhere there is no Ctrl-C either
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if not self._is_set.is_set():
            self._is_set.set()
            self._last = now
            self.on_first()
        elif now - self._last > _SECONDS_BETWEEN:
            # the model's thread cannot be ended in any other way
            with contextlib.suppress(Exception):
                sys.stdout.flush()
            end_line()
            os._exit(INTERRUPTED)
