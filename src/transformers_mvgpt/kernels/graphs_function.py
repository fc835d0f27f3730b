# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Functions whose CUDA kernels are recorded when a shape of their arguments comes again, and the memory that this may take."""

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from .gates_graphs import may_record, modes_now
from .graphs_fingerprint import Fingerprint
from .graphs_recording import Recording
from .graphs_turns import turns


# Of shapes that were seen, those that came longest ago are forgotten.
_MOST_SHAPES = 256
# Where changes of the model keep ending its recordings, they are made ever more rarely, down to one in so many calls.
_MOST_CALLS = 100

logger = logging.getLogger("transformers_mvgpt")

TensorFunction = Callable[..., dict[str, Any]]


class GraphMemory:
    """
    What the recordings of a model hold of its GPU, the ones used last at the end.

    Args:
        budget (`int`): bytes.
    """

    def __init__(self, budget: int):
        self.budget = budget
        self.lock = threading.RLock()
        self._held: OrderedDict[tuple[GraphedFunction, Any], int] = OrderedDict()

    @property
    def num_bytes(self) -> int:
        """That are held."""
        return sum(self._held.values())

    def touch(self, function: "GraphedFunction", key: Any) -> None:
        """A recording is used."""
        self._held.move_to_end((function, key))

    def add(self, function: "GraphedFunction", key: Any, num_bytes: int) -> bool:
        """Takes a recording in, for which others may have to go. Whether it can be."""
        if num_bytes > self.budget:
            return False
        self._held[function, key] = num_bytes
        while self.num_bytes > self.budget:
            (owner, oldest), _ = self._held.popitem(last=False)
            owner.drop(oldest)
        return True

    def remove(self, function: "GraphedFunction", key: Any) -> None:
        """A recording has gone."""
        self._held.pop((function, key), None)


@dataclass
class _Shape:
    """
    What is known of calls with arguments of one shape.

    Args:
        calls_needed (`int`): the call that is recorded, counted from 1; 0 if none ever is.
    """

    calls_needed: int
    num_calls: int = 0
    recording: Recording | None = None


class GraphedFunction:
    """
    A function of CUDA tensors that is recorded for a shape of its arguments when this comes for the n-th time, and from then on
    replayed, in inference mode and outside of it. It must not look at what is in the tensors.

    After each replay has been asked for, and while the GPU computes, it is looked whether the modules that the function reads
    still are those that were recorded. If not, all recordings are forgotten, and the caller has to compute.

    Args:
        function (`Callable`): takes tensors; returns a dictionary of tensors, and of lists of equal tensors to be stacked.
        read_modules (`Callable`): gives the modules that the function reads. The first may be the owner of this object.
        calls_needed (`int`): n.
        memory ([`GraphMemory`]): of the model.
    """

    def __init__(
        self,
        function: TensorFunction,
        read_modules: Callable[[], Iterable[nn.Module]],
        calls_needed: int,
        memory: GraphMemory,
    ):
        self._function, self._read_modules, self._memory = function, read_modules, memory
        self._calls_needed = calls_needed
        self._shapes: OrderedDict[Any, _Shape] = OrderedDict()
        self._fingerprint: Fingerprint | None = None

    def __call__(self, *tensors: torch.Tensor) -> dict[str, torch.Tensor] | None:
        """What the function returns, or nothing if there is no recording that can tell."""
        with self._memory.lock:
            key = _key(tensors)
            recording = self._recording_for(key, tensors)
            fingerprint = self._fingerprint
            if recording is None or fingerprint is None:
                return None
            self._memory.touch(self, key)
        outputs = recording.run(tensors, _copied)
        if fingerprint.still_holds():
            return outputs
        with self._memory.lock:
            if fingerprint is self._fingerprint:
                self.forget()
                if self._calls_needed > 1:
                    self._calls_needed = min(2 * self._calls_needed, _MOST_CALLS)
        return None

    def is_ready(self, *tensors: torch.Tensor) -> bool:
        """Whether such a call would be replayed."""
        shape = self._shapes.get(_key(tensors))
        return shape is not None and shape.recording is not None

    def forget(self) -> None:
        """Drops all recordings, and what was counted for them."""
        with self._memory.lock:
            for key in self._shapes:
                self._memory.remove(self, key)
            self._shapes.clear()
            self._fingerprint = None

    def drop(self, key: Any) -> None:
        """Drops a recording, which is made again after twice as many calls."""
        shape = self._shapes[key]
        shape.recording, shape.num_calls = None, 0
        shape.calls_needed *= 2

    def _recording_for(self, key: Any, tensors: tuple[torch.Tensor, ...]) -> Recording | None:
        shape = self._shapes.setdefault(key, _Shape(self._calls_needed))
        self._shapes.move_to_end(key)
        if len(self._shapes) > _MOST_SHAPES:
            oldest, _ = self._shapes.popitem(last=False)
            self._memory.remove(self, oldest)
        if shape.recording is None and shape.calls_needed:
            shape.num_calls += 1
            if shape.num_calls >= shape.calls_needed:
                self._record(key, shape, tensors)
        return shape.recording

    def _record(self, key: Any, shape: _Shape, tensors: tuple[torch.Tensor, ...]) -> None:
        with turns.recording() as is_alone:
            modules = list(self._read_modules())
            if not is_alone or not may_record(modules, tensors):
                return  # perhaps the next time
            if self._fingerprint is not None and not self._fingerprint.still_holds():
                self.forget()
                self._shapes[key] = shape
            try:
                recording = Recording(self._function, *(tensor.clone() for tensor in tensors))
            except Exception as error:
                # memory may have run out, or a part of the model looks at what is in its tensors
                logger.info("A call cannot be recorded as a CUDA graph: %s", error)
                shape.calls_needed = 0
                return
            if self._fingerprint is None:
                self._fingerprint = Fingerprint(modules)
            if self._memory.add(self, key, recording.num_bytes):
                shape.recording = recording
            else:
                shape.calls_needed = 0


def _key(tensors: tuple[torch.Tensor, ...]) -> Any:
    return modes_now(), *((tensor.shape, tensor.dtype, tensor.device) for tensor in tensors)


def _copied(outputs: dict[str, Any]) -> dict[str, torch.Tensor]:
    return {name: torch.stack(value) if isinstance(value, list) else value.clone() for name, value in outputs.items()}
