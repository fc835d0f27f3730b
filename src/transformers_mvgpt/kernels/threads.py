# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""A persistent thread pool: to start threads for each operation of a model would take longer than some operations."""

import ctypes
import functools
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TypeVar

import torch


Part = TypeVar("Part")

# To end and start a thread of torch's takes some 20 microseconds; of many, longer than some of the work.
_MOST_THREADS_TO_END = 8
_OMP_PAUSE_SOFT = 1  # from omp.h
_has_openmp_threads = True


def share_work(work: Callable[[Part], None], parts: Iterable[Part]) -> None:
    """
    Does all parts, with torch's number of threads, the calling one among them.

    Args:
        work (`Callable`): does one part; as long as it holds the interpreter, the others wait.
        parts (`Iterable`): independent of each other.
    """
    parts = list(parts)
    remaining = iter(parts)

    def work_on(remaining: Iterator[Part]) -> None:
        for part in remaining:
            work(part)

    num_threads = torch.get_num_threads()
    if 1 < num_threads <= _MOST_THREADS_TO_END:
        _end_torch_threads()
    pool = _pool_of(num_threads)
    others = [pool.submit(work_on, remaining) for _ in range(min(num_threads, len(parts)) - 1)]
    try:
        work_on(remaining)
    finally:
        wait(others)
    for other in others:
        other.result()


def _end_torch_threads() -> None:
    """
    OpenMP's threads, when an operation of torch's is over, spin for milliseconds in case another begins, on cores that are
    needed here. GNU's end, and the next operation starts new ones; those of others sleep until then.
    """
    pause = _pause_of_openmp()
    if pause is not None and _has_openmp_threads:
        pause(_OMP_PAUSE_SOFT)


@functools.cache
def _pause_of_openmp() -> Callable[[int], int] | None:
    if os.environ.get("MVGPT_KEEP_TORCH_THREADS", "0") not in ("", "0"):
        return None
    try:
        return ctypes.CDLL(None).omp_pause_resource_all  # OpenMP 5.0
    except (AttributeError, OSError, TypeError):  # an older one, another than this process's, or Windows
        return None


@functools.cache
def _pool_of(num_threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(num_threads, "transformers-mvgpt")


def _forget_threads() -> None:
    """A forked process has none: neither those to give work to nor those that OpenMP would wait for."""
    global _has_openmp_threads
    _has_openmp_threads = False
    _pool_of.cache_clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_threads)
