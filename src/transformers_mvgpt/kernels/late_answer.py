# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Questions to a GPU that are asked early and read late, so that Python does not wait."""

from typing import Any

import torch


class LateAnswer:
    """
    A small tensor on its way to the CPU, behind all that the GPU was asked for before.

    Args:
        tensor (`torch.Tensor`): on any device.
    """

    def __init__(self, tensor: torch.Tensor):
        self._answer, self._arrived = tensor, None
        if tensor.is_cuda:
            self._answer = torch.empty(tensor.shape, dtype=tensor.dtype, device="cpu", pin_memory=True)
            self._answer.copy_(tensor, non_blocking=True)
            self._arrived = torch.cuda.current_stream(tensor.device).record_event()

    def read(self) -> Any:
        """What is in it, as `tolist`. Only what was asked for before it is waited for."""
        if self._arrived is not None:
            self._arrived.synchronize()
        return self._answer.tolist()
