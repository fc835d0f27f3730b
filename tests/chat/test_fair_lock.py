# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""A lock with turns: who has it where a wait is interrupted, as by Ctrl+C."""

import contextlib
import signal
import threading
import time

import pytest

from transformers_mvgpt.chat.fair_lock import FairLock


def wait_for(condition) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


class Holder:
    """A thread that takes the lock, and keeps it until it is told to leave."""

    def __init__(self, lock: FairLock) -> None:
        self.lock, self.has_it, self.may_leave = lock, threading.Event(), threading.Event()
        self.num_waiting = len(lock._waiting)
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        with self.lock:
            self.has_it.set()
            self.may_leave.wait(10)

    def wait_in_line(self) -> None:
        wait_for(lambda: len(self.lock._waiting) > self.num_waiting)

    def leave(self) -> None:
        self.may_leave.set()
        self.thread.join(10)


def interrupt_when(condition) -> None:
    def interrupt() -> None:
        wait_for(condition)
        signal.raise_signal(signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()


def test_first_come_first_served():
    lock = FairLock()
    with lock:
        holders = []
        for _ in range(3):
            holders.append(Holder(lock))
            holders[-1].wait_in_line()
    for number, holder in enumerate(holders):
        assert holder.has_it.wait(10)
        assert [other.has_it.is_set() for other in holders] == [other <= number for other in range(3)]
        holder.leave()


def test_an_interrupted_answer_takes_no_lock_from_others():
    """While it lets a frame in, it has none: to leave it is not to release the lock of that frame."""
    lock = FairLock()
    with contextlib.ExitStack() as stack:
        with pytest.raises(KeyboardInterrupt), lock:
            first = Holder(lock)
            stack.callback(first.leave)
            first.wait_in_line()
            interrupt_when(first.has_it.is_set)
            lock.let_others()
        second = Holder(lock)
        stack.callback(second.leave)
        second.wait_in_line()
        assert not second.has_it.wait(0.1)
        first.leave()
        assert second.has_it.wait(10)
    with lock:
        pass


def test_an_interrupted_wait_is_given_up():
    lock = FairLock()
    holder = Holder(lock)
    assert holder.has_it.wait(10)
    interrupt_when(lambda: lock._waiting)
    with pytest.raises(KeyboardInterrupt), lock:
        pass
    assert not lock._waiting
    holder.leave()
    with lock:
        lock.let_others()


def test_it_is_not_entered_again():
    lock = FairLock()
    with lock:
        with pytest.raises(RuntimeError, match="The model is at work in this thread: neither frames nor questions"):
            with lock:
                pass
        holder = Holder(lock)
        holder.wait_in_line()
        assert not holder.has_it.is_set()
    assert holder.has_it.wait(10)
    holder.leave()
