# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""How far the reading of a video is, for a program that shows it. Where none asks, nothing is told to anyone."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager


# Called with "bytes" (of a download) or "frames" (of those that are sampled), how many there are, and of how many if that is known.
OnReading = Callable[[str, int, int | None], None]

_listeners: list[OnReading] = []


@contextmanager
def listen_to_reading(on_reading: OnReading) -> Iterator[None]:
    """Has a function called, in whichever thread reads, while videos and images are read in this process."""
    _listeners.append(on_reading)
    try:
        yield
    finally:
        _listeners.remove(on_reading)


def report_reading(unit: str, completed: int, total: int | None) -> None:
    """Tells who listens."""
    for on_reading in _listeners:
        on_reading(unit, completed, total)
