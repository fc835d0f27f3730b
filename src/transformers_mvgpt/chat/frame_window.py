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
        self.window_seconds, self.frames_per_second = window_seconds, frames_per_second
        # one of each interval between frames that the window touches
        self.capacity = math.ceil(window_seconds * frames_per_second + _ROUNDING_SECONDS) + 1
        self.frames: deque[KeptFrame] = deque()
        self.tensors: list[torch.Tensor] = []
        self._first_seconds = 0.0
        self._next_interval = 0
        self._next_slot = 0

    @property
    def num_bytes(self) -> int:
        """Memory of the frames' tensors; 0 before the first frame."""
        return sum(tensor.nbytes for tensor in self.tensors)

    def begins_anew(self, seconds: float) -> bool:
        """Whether a frame is earlier than one that is there: another stream, or one that was started again."""
        return bool(self.frames) and seconds < self.frames[-1].seconds - _ROUNDING_SECONDS

    def wants(self, seconds: float) -> bool:
        """
        Whether a frame is taken. Time is cut into intervals of `1 / frames_per_second`, and the first frame of each is: so their
        average rate is the one that is asked for, whatever the stream's is.
        """
        return not self.frames or self.begins_anew(seconds) or self._interval(seconds) >= self._next_interval

    def add(self, seconds: float, size: tuple[int, int], tensors: Sequence[torch.Tensor]) -> None:
        """Takes a frame that is wanted. Its tensors are copied; all frames' are of the same shapes."""
        if self.begins_anew(seconds):
            self.clear()
        if not self.frames:
            self._first_seconds = seconds
        if not self.tensors:
            self.tensors = [tensor.new_empty((self.capacity, *tensor.shape)) for tensor in tensors]
        while self.frames and self.frames[0].seconds <= seconds - self.window_seconds + _ROUNDING_SECONDS:
            self.frames.popleft()
        for kept, tensor in zip(self.tensors, tensors, strict=True):
            kept[self._next_slot].copy_(tensor)
        self.frames.append(KeptFrame(seconds, size, self._next_slot))
        self._next_slot = (self._next_slot + 1) % self.capacity
        self._next_interval = self._interval(seconds) + 1

    def clear(self) -> None:
        """Forgets all frames. Their memory stays."""
        self.frames.clear()

    def copy_of(self, numbers: Sequence[int]) -> list[torch.Tensor]:
        """The tensors of these frames, counted from the oldest: copies of shape (n, ...)."""
        slots = [self.frames[number].slot for number in numbers]
        return [tensor[torch.tensor(slots, device=tensor.device)] for tensor in self.tensors]

    def _interval(self, seconds: float) -> int:
        return math.floor((seconds - self._first_seconds) * self.frames_per_second + _ROUNDING_SECONDS)
