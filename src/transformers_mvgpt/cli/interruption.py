# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Ctrl-C: the command ends without a traceback, and cleans up what it has begun to write."""

import _thread
import functools
import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any

import mvgpt_command


INTERRUPTED = 128 + signal.SIGINT
_SECONDS_TO_RETURN = 0.01


def interruptible(command: Callable[..., None]) -> Callable[..., None]:
    """
    The command, during which Ctrl-C raises `KeyboardInterrupt`, so that files half written are removed. Before and after it, where modules
    are loaded and the interpreter ends, Ctrl-C ends the process on the spot.
    """

    @functools.wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        if not mvgpt_command.is_running:  # called in Python
            command(*args, **kwargs)
            return
        signal.signal(signal.SIGINT, signal.default_int_handler)
        sys.unraisablehook = _raise_again
        try:
            command(*args, **kwargs)
        finally:
            signal.signal(signal.SIGINT, mvgpt_command.end_at_once)

    return run


def is_interruption(error: BaseException | None) -> bool:
    """Whether it is Ctrl-C, or what a library made of that."""
    while error is not None:
        if isinstance(error, KeyboardInterrupt):
            return True
        error = error.__cause__ or error.__context__
    return False


def end_line() -> None:
    """Behind the ^C that a terminal shows."""
    if os.isatty(2):
        os.write(2, b"\n")


def _raise_again(problem: Any) -> None:
    """Of an exception in a finalizer or the like, nobody hears: a `KeyboardInterrupt` is raised again as soon as that has returned."""
    if issubclass(problem.exc_type, KeyboardInterrupt):
        again = threading.Timer(_SECONDS_TO_RETURN, _interrupt_main_thread)
        again.daemon = True
        again.start()
    else:
        sys.__unraisablehook__(problem)


def _interrupt_main_thread() -> None:
    if hasattr(signal, "pthread_kill"):
        # which also ends a call of the system that waits
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
    else:
        _thread.interrupt_main()
