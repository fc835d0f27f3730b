# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Encoders that run before their turn, on a stream of their own, while Python prepares what comes before them."""

import functools
from collections.abc import Callable
from typing import Generic, TypeVar

import torch
from transformers.modeling_outputs import ModelOutput


Encoded = TypeVar("Encoded", bound=ModelOutput)


class Ahead(Generic[Encoded]):
    """
    What runs on a stream beside the current one. Until [`join`], the current stream does not see its results.

    Args:
        device (`torch.device`): a CUDA device.
        encode (`Callable`): returns tensors. What it reads is kept until then.
    """

    def __init__(self, device: torch.device, encode: Callable[[], Encoded]):
        self._encode: Callable[[], Encoded] | None = encode
        self._stream, current = _side_stream(device), torch.cuda.current_stream(device)
        self._stream.wait_stream(current)
        try:
            with torch.cuda.stream(self._stream):
                self.encoded = encode()
        except Exception:
            self.join()
            raise
        for value in self.encoded.values():
            if isinstance(value, torch.Tensor):
                value.record_stream(current)

    def join(self) -> None:
        """Lets the current stream wait; Python does not."""
        if self._encode is not None:
            torch.cuda.current_stream(self._stream.device).wait_stream(self._stream)
            self._encode = None


@functools.cache
def _side_stream(device: torch.device) -> torch.cuda.Stream:
    return torch.cuda.Stream(device)
