# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Launches of Triton kernels that take Python less time."""

from typing import Any

import torch


_LARGEST_INT32 = 2**31 - 1


class Launcher:
    """
    A kernel with what it was compiled to. `kernel[grid](...)` looks at all arguments, options and global variables before each
    launch; for short kernels that takes longer than they run.

    Args:
        kernel: of `triton.jit`, whose parameters are tensors, then numbers, then constants.
    """

    def __init__(self, kernel: Any):
        self._kernel = kernel
        self._compiled: dict[tuple, Any] = {}

    def __call__(
        self,
        grid: tuple[int, int, int],
        tensors: tuple[torch.Tensor, ...],
        numbers: tuple[float, ...],
        constants: tuple[int, ...],
        num_warps: int,
        num_stages: int = 3,
    ) -> None:
        """
        Args:
            grid (`tuple[int, int, int]`): numbers of programs.
            tensors (`tuple[torch.Tensor, ...]`): on the current device.
            numbers (`tuple[float, ...]`): in whose kinds Triton compiles anew, not in their values: 1, multiples of 16, others.
            constants (`tuple[int, ...]`): for each of which it compiles anew.
            num_warps, num_stages (`int`): as for Triton.
        """
        key = (
            tensors[0].get_device(),
            num_warps,
            num_stages,
            *constants,
            *[tensor.dtype for tensor in tensors],
            *[tensor.data_ptr() % 16 for tensor in tensors],
            *[(n == 1, n % 16 == 0, n > _LARGEST_INT32) if type(n) is int else None for n in numbers],
        )
        compiled = self._compiled.get(key)
        if compiled is not None:
            compiled[grid](*tensors, *numbers, *constants)
            return
        # nothing in Triton's interpreter
        self._compiled[key] = self._kernel[grid](
            *tensors, *numbers, *constants, num_warps=num_warps, num_stages=num_stages
        )
