# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
The frames of the last seconds of a stream, in memory that is taken once.

    slots   | 8 | 9 | 10| 3 | 4 | 5 | 6 | 7 |     a frame takes the place of the oldest one
                      ^ newest
"""

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import torch


# Frames are not always shown on the microsecond.
_ROUNDING_SECONDS = 1e-6


@dataclass(frozen=True)
class KeptFrame:
    """
    Args:
        seconds (`float`): When it is shown.
        size (`tuple[int, int]`): Width and height that it came in.
        slot (`int`): Where its tensors are.
    """

    seconds: float
    size: tuple[int, int]
    slot: int


class FrameRate:
    """
    Which frames of a stream are taken. Time is cut into intervals of `1 / frames_per_second`, and the first frame of each is taken: so
    their average rate is the one that is asked for, whatever the stream's is.
    """

    def __init__(self, frames_per_second: float) -> None:
        self.frames_per_second = frames_per_second
        self._first_seconds: float | None = None
        self._latest_seconds = 0.0
        self._next_interval = 0

    def begins_anew(self, seconds: float) -> bool:
        """Whether a frame is earlier than one that was taken: another stream, or one that was started again."""
        return self._first_seconds is not None and seconds < self._latest_seconds - _ROUNDING_SECONDS

    def wants(self, seconds: float) -> bool:
        """Whether a frame is taken."""
        if self._first_seconds is None or self.begins_anew(seconds):
            return True
        return self._interval(seconds, self._first_seconds) >= self._next_interval

    def take(self, seconds: float) -> None:
        """A frame that is wanted is taken."""
        if self._first_seconds is None or self.begins_anew(seconds):
            self._first_seconds = seconds
        self._latest_seconds = seconds
        self._next_interval = self._interval(seconds, self._first_seconds) + 1

    def _interval(self, seconds: float, first_seconds: float) -> int:
        return math.floor((seconds - first_seconds) * self.frames_per_second + _ROUNDING_SECONDS)


class FrameWindow:
    """
    Not safe for several threads.

    Args:
        window_seconds (`float`):
            A frame stays until one comes that is shown so much later.
        frames_per_second (`float`):
            How many frames are taken of a second, at most.
    """

    def __init__(self, window_seconds: float, frames_per_second: float) -> None:
        self.window_seconds = window_seconds
        self.rate = FrameRate(frames_per_second)
        # one of each interval between frames that the window touches
        self.capacity = math.ceil(window_seconds * frames_per_second + _ROUNDING_SECONDS) + 1
        self.frames: deque[KeptFrame] = deque()
        self.tensors: list[torch.Tensor] = []
        self._next_slot = 0

    @property
    def num_bytes(self) -> int:
        """Memory of the frames' tensors; 0 before the first frame."""
        return sum(tensor.nbytes for tensor in self.tensors)

    def add(self, seconds: float, size: tuple[int, int], tensors: Sequence[torch.Tensor]) -> None:
        """Takes a frame that is wanted. Its tensors are copied; all frames' are of the same shapes."""
        if self.rate.begins_anew(seconds):
            self.clear()
        self.rate.take(seconds)
        if not self.tensors:
            self.tensors = [tensor.new_empty((self.capacity, *tensor.shape)) for tensor in tensors]
        while self.frames and self.frames[0].seconds <= seconds - self.window_seconds + _ROUNDING_SECONDS:
            self.frames.popleft()
        for kept, tensor in zip(self.tensors, tensors, strict=True):
            kept[self._next_slot].copy_(tensor)
        self.frames.append(KeptFrame(seconds, size, self._next_slot))
        self._next_slot = (self._next_slot + 1) % self.capacity

    def clear(self) -> None:
        """Forgets all frames. Their memory stays."""
        self.frames.clear()
        self.rate = FrameRate(self.rate.frames_per_second)

    def copy_of(self, numbers: Sequence[int]) -> list[torch.Tensor]:
        """The tensors of these frames, counted from the oldest: copies of shape (n, ...)."""
        slots = [self.frames[number].slot for number in numbers]
        return [tensor[torch.tensor(slots, device=tensor.device)] for tensor in self.tensors]
