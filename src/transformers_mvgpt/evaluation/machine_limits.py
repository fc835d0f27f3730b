# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""What a machine can do at best: the floor that measured times stand on."""

import copy
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode


# Products of the language model's prefill at the 0.5B size: the largest that a first token is made of.
_ROWS, _INNER, _COLUMNS = 2402, 896, 4864
_READ_BYTES = 1 << 29  # more than any cache holds
_MIN_SECONDS = 0.2


@dataclass(frozen=True)
class MachineLimits:
    """
    Args:
        flops_per_second (`float`): of large matrix products in the model's dtype.
        bytes_per_second (`float`): read from memory.
    """

    flops_per_second: float
    bytes_per_second: float


def measure_limits(device: torch.device, dtype: torch.dtype, runs: int = 5) -> MachineLimits:
    """
    The best of several runs each: a floor is what nothing disturbed.

    Args:
        device (`torch.device`): where.
        dtype (`torch.dtype`): of the matrices.
        runs (`int`): number of runs.
    """
    left = torch.randn(_ROWS, _INNER, device=device).to(dtype)
    right = torch.randn(_INNER, _COLUMNS, device=device).to(dtype)
    product = min(time_calls(lambda: left @ right, device, runs, _MIN_SECONDS))
    data = torch.ones(_READ_BYTES // 8, dtype=torch.int64, device=device)
    read = min(time_calls(data.sum, device, runs, _MIN_SECONDS))
    return MachineLimits(2 * _ROWS * _INNER * _COLUMNS / product, _READ_BYTES / read)


def time_calls(call: Callable[[], object], device: torch.device, runs: int, min_seconds: float = 0.0) -> list[float]:
    """
    Seconds per call of each run, after one call that is not counted. A run repeats the call until `min_seconds` are over.
    """
    call()
    seconds = []
    for _ in range(runs):
        synchronize(device)
        start, calls = time.perf_counter(), 0
        while True:
            call()
            calls += 1
            synchronize(device)
            if (passed := time.perf_counter() - start) >= min_seconds:
                break
        seconds.append(passed / calls)
    return seconds


def median_seconds(call: Callable[[], object], device: torch.device, runs: int) -> float:
    """The median of [`time_calls`]."""
    return statistics.median(time_calls(call, device, runs))


def synchronize(device: torch.device) -> None:
    """Waits for what a GPU has been told to do."""
    if device.type in ("cuda", "mps", "xpu"):
        getattr(torch, device.type).synchronize()


def count_flops(module: torch.nn.Module, call: Callable[[Any], object]) -> int:
    """
    Floating point operations of the matrix products and convolutions of a call. It runs on the meta device, where attention
    is made of matrix products that can be counted; nothing is computed.

    Args:
        module (`nn.Module`): what to count; it stays as it is.
        call (`Callable`): takes a copy of the module on the meta device, and calls it with tensors there.
    """
    with torch.device("meta"):
        twin = copy.deepcopy(module).to("meta")
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        call(twin)
    return counter.get_total_flops()
