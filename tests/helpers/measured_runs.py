# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Runs something in a forked process, and tells how it ended, how long it took and how much memory it took on top."""

import os
import pickle
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass
class MeasuredRun:
    """
    Args:
        result: what was returned, where it was.
        error (`str`): `ValueError: its message`, or how the process died; empty where it returned.
        seconds (`float`): how long it took.
        grown_bytes (`int`): peak of the resident memory, less that before.
    """

    result: Any
    error: str
    seconds: float
    grown_bytes: int


def run_measured(
    function: Callable[[], Any], *, max_seconds: float = 60.0, max_bytes: int | None = None
) -> MeasuredRun:
    """
    Calls `function` in a fork of this process, which must have no threads that hold locks: load what it needs before.

    Args:
        function: what it returns must be picklable.
        max_seconds: when the fork is killed.
        max_bytes: address space that it gets on top of what it has, as `ulimit -v` sets it.
    """
    read_end, write_end = os.pipe()
    start = time.monotonic()
    child = os.fork()
    if child == 0:
        os.close(read_end)
        status = 1
        try:
            outcome = _call(function, max_bytes)
            with os.fdopen(write_end, "wb") as pipe:
                pipe.write(pickle.dumps(outcome))
            status = 0
        finally:
            os._exit(status)  # nothing of pytest's is run twice
    os.close(write_end)
    signal.signal(signal.SIGALRM, lambda *_: os.kill(child, signal.SIGKILL))
    signal.setitimer(signal.ITIMER_REAL, max_seconds)
    try:
        with os.fdopen(read_end, "rb") as pipe:
            data = pipe.read()
        _, status = os.waitpid(child, 0)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    seconds = time.monotonic() - start
    if not data:
        died = f"killed by {signal.Signals(status & 127).name}" if status & 127 else f"exit status {status >> 8}"
        return MeasuredRun(None, died, seconds, 0)
    return MeasuredRun(*pickle.loads(data)[:2], seconds, pickle.loads(data)[2])


def _call(function: Callable[[], Any], max_bytes: int | None) -> tuple[Any, str, int]:
    import resource

    import torch

    # a pool of threads that the parent had is not there: the fork would wait for it for ever
    torch.set_num_threads(1)
    resident, virtual = _memory("VmRSS"), _memory("VmSize")
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")  # the peak begins anew
    if max_bytes is not None:
        resource.setrlimit(resource.RLIMIT_AS, (virtual + max_bytes, resource.RLIM_INFINITY))
    result, error = None, ""
    try:
        result = function()
    except BaseException as problem:
        error = f"{type(problem).__name__}: {problem}"
    if max_bytes is not None:
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    return result, error, _memory("VmHWM") - resident


def _memory(name: str) -> int:
    """Bytes of this process by the kernel's name for them."""
    with open("/proc/self/status") as file:
        for line in file:
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) * 1024
    raise KeyError(name)
