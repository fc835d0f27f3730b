# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Whose turn it is: CUDA kernels are recorded while no other thread generates."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar


class Turns:
    """Many calls of `generate` at a time, or one recording."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._num_generating = 0
        self._is_recording = False
        self._generates_here: ContextVar[bool] = ContextVar("generates_here", default=False)

    @contextmanager
    def generating(self) -> Iterator[None]:
        """Entered by a call of `generate`, which waits while another thread records. A call within a call does not wait."""
        if self._generates_here.get():
            yield
            return
        with self._changed:
            self._changed.wait_for(lambda: not self._is_recording)
            self._num_generating += 1
        token = self._generates_here.set(True)
        try:
            yield
        finally:
            self._generates_here.reset(token)
            with self._changed:
                self._num_generating -= 1

    @contextmanager
    def recording(self) -> Iterator[bool]:
        """Whether nobody else generates or records. If so, nobody will before the end. It does not wait."""
        with self._changed:
            may_record = not self._is_recording and self._num_generating == int(self._generates_here.get())
            if may_record:
                self._is_recording = True
        try:
            yield may_record
        finally:
            if may_record:
                with self._changed:
                    self._is_recording = False
                    self._changed.notify_all()


turns = Turns()
