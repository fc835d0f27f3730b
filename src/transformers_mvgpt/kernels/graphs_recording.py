# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The CUDA kernels of one call of a function, recorded as a CUDA graph."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import torch

from .gpu_attention import recorded_kernels


class Recording:
    """
    What a function does with tensors that stay where they are, recorded once and replayed.

    The function must not look at what is in tensors, and what it reads beside its arguments stays where it was. It runs
    twice: first what happens at a first call only, such as the compilation of kernels, then to be recorded, which computes
    nothing: `outputs` hold something after the first replay.

    A recording has a pool of memory to itself. Several could share one, and would need less together; but then nothing of it
    were free before the last of them is gone. The workspace of cuBLAS lies in it too: PyTorch has one for each stream, which
    recordings that run at the same time would otherwise share, and which is freed when one of them goes.

    Args:
        function (`Callable`): takes `inputs`.
        inputs (`torch.Tensor`): on one CUDA device. They are not copied: write into them before a replay.
    """

    def __init__(self, function: Callable[..., Any], *inputs: torch.Tensor):
        self.inputs = inputs
        self.device = inputs[0].device
        with torch.cuda.device(self.device), keep_stream(self.device), recorded_kernels():
            stream = torch.cuda.Stream()
            stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(stream):
                function(*inputs)
            torch.cuda.current_stream().wait_stream(stream)
            torch._C._cuda_clearCublasWorkspaces()
            torch.cuda.empty_cache()
            before = reserved_bytes(self.device)
            self._graph, pool = torch.cuda.CUDAGraph(), torch.cuda.graph_pool_handle()
            try:
                with (
                    keep_generator(self.device) as give_back,
                    torch.cuda.graph(self._graph, pool, stream, capture_error_mode="thread_local"),
                ):
                    give_back()
                    self.outputs = function(*inputs)
            except BaseException:
                # PyTorch's allocator would stay in the state of recording
                with suppress(RuntimeError):
                    torch._C._cuda_endAllocateToPool(self.device.index, pool)
                raise
            finally:
                torch._C._cuda_clearCublasWorkspaces()
            # what the function left on the GPU for the time after it is in there too
            held = max(0, reserved_bytes(self.device) - before)
        self.num_bytes = held + sum(tensor.untyped_storage().nbytes() for tensor in inputs)
        self._lock = threading.Lock()
        self._last_use: torch.cuda.Event | None = None

    def replay(self) -> None:
        """
        Asks the GPU for the kernels, on the current stream: for callers who are alone with this recording, from writing into
        `inputs` to reading `outputs`. All others take [`run`].
        """
        self._graph.replay()

    def run(self, inputs: tuple[torch.Tensor, ...], read: Callable[[Any], Any]) -> Any:
        """
        Writes inputs, replays, and reads the outputs, on the current stream and after all that other streams and threads ask
        of this recording.

        Args:
            inputs (`tuple[torch.Tensor, ...]`): with the shapes and dtypes of the recorded ones.
            read (`Callable`): takes `outputs`, and returns what is left when they are overwritten.
        """
        with self._lock, torch.cuda.device(self.device):
            if self._last_use is not None:
                torch.cuda.current_stream().wait_event(self._last_use)
            for given, place in zip(inputs, self.inputs, strict=True):
                place.copy_(given, non_blocking=True)
            self._graph.replay()
            result = read(self.outputs)
            self._last_use = torch.cuda.current_stream().record_event()
        return result


def reserved_bytes(device: torch.device) -> int:
    """What PyTorch has of a GPU's memory."""
    return torch.cuda.memory_reserved(device)


@contextmanager
def keep_stream(device: torch.device) -> Iterator[None]:
    """A recording that fails leaves its own stream as the current one."""
    stream = torch.cuda.current_stream(device)
    try:
        yield
    finally:
        if torch.cuda.current_stream(device) != stream:
            torch.cuda.set_stream(stream)


@contextmanager
def keep_generator(device: torch.device) -> Iterator[Callable[[], None]]:
    """
    While a graph is recorded, the state that the random generator had at its beginning refuses all other use, and does so for
    ever if recording fails. So it begins with a copy; what is given takes the state itself back.
    """
    generator = torch.cuda.default_generators[torch.device(device).index]
    state = generator.graphsafe_get_state()

    def give_back() -> None:
        generator.graphsafe_set_state(state)

    generator.graphsafe_set_state(generator.clone_state())
    try:
        yield give_back
    finally:
        give_back()
