# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Rows that are looked at before they are taken."""

from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any


class Lookahead:
    """An iterator of which the next two can be looked at."""

    def __init__(self, items: Iterator[Mapping[str, Any]]):
        self._items = items
        self._next: deque[Mapping[str, Any]] = deque()

    def peek(self, place: int) -> Mapping[str, Any] | None:
        while len(self._next) <= place:
            item = next(self._items, None)
            if item is None:
                return None
            self._next.append(item)
        return self._next[place]

    def pop(self) -> Mapping[str, Any]:
        return self._next.popleft()
