# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""What a machine can do at best: the roofline that measured times are compared with."""

import copy
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode


# Products of the language model's prefill at the 0.5B size: the largest that a first token is made of.
_ROWS, _INNER, _COLUMNS = 2402, 896, 4864
_READ_BYTES = 1 << 29  # more than any cache holds
_SAMPLE_SECONDS = 0.1

# On a GPU, a shape that comes for the third time is recorded as a CUDA graph: after so many calls it is as fast as it will be.
RECORDING_CALLS = 3


@dataclass(frozen=True)
class MachineLimits:
    """
    Args:
        flops_per_second (`float`): of large matrix products in the model's dtype.
        bytes_per_second (`float`): read from memory.
    """

    flops_per_second: float
    bytes_per_second: float


class LimitsMeter:
    """
    Takes samples of what a machine can do. The throughput of a shared machine fluctuates, so samples are taken all along a
    measurement, and their median is compared with the median of what is measured.

    Args:
        device (`torch.device`): where.
        dtype (`torch.dtype`): of the matrices.
    """

    def __init__(self, device: torch.device, dtype: torch.dtype) -> None:
        self._device, self._dtype = device, dtype
        self._flops_per_second: list[float] = []
        self._bytes_per_second: list[float] = []

    def sample(self) -> None:
        """Takes one, for some tenths of a second. What it needs of memory is free again afterwards."""
        left = torch.randn(_ROWS, _INNER, device=self._device).to(self._dtype)
        right = torch.randn(_INNER, _COLUMNS, device=self._device).to(self._dtype)
        [product] = time_calls(lambda: left @ right, self._device, 1, _SAMPLE_SECONDS)
        data = torch.ones(_READ_BYTES // 8, dtype=torch.int64, device=self._device)
        [read] = time_calls(data.sum, self._device, 1, _SAMPLE_SECONDS)
        self._flops_per_second.append(2 * _ROWS * _INNER * _COLUMNS / product)
        self._bytes_per_second.append(_READ_BYTES / read)

    def limits(self) -> MachineLimits:
        """The median of the samples."""
        return MachineLimits(statistics.median(self._flops_per_second), statistics.median(self._bytes_per_second))


def time_calls(
    call: Callable[[], object], device: torch.device, runs: int, min_seconds: float = 0.0, *, warm_ups: int = 1
) -> list[float]:
    """
    Seconds per call of each run, after `warm_ups` calls that are not counted. A run repeats the call until `min_seconds` are over.
    """
    for _ in range(warm_ups):
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


def median_seconds(call: Callable[[], object], device: torch.device, runs: int, *, warm_ups: int = 1) -> float:
    """The median of [`time_calls`]."""
    return statistics.median(time_calls(call, device, runs, warm_ups=warm_ups))


def median_seconds_in_turns(calls: list[Callable[[], object]], device: torch.device, runs: int) -> list[float]:
    """The median of each call. They take turns, because the throughput of a shared machine fluctuates."""
    seconds: list[list[float]] = [[] for _ in calls]
    for call in calls:
        call()
    for _ in range(runs):
        for call, own in zip(calls, seconds, strict=True):
            synchronize(device)
            start = time.perf_counter()
            call()
            synchronize(device)
            own.append(time.perf_counter() - start)
    return [statistics.median(own) for own in seconds]


def synchronize(device: torch.device) -> None:
    """Waits for what a GPU has been told to do."""
    if device.type in ("cuda", "mps", "xpu"):
        getattr(torch, device.type).synchronize()


def count_flops(module: nn.Module, call: Callable[[Any], object]) -> int:
    """
    Floating point operations of the matrix products and convolutions of a call. It runs on the meta device, where attention
    is made of matrix products that can be counted; nothing is computed.

    Args:
        module (`nn.Module`): what to count; it stays as it is.
        call (`Callable`): takes a copy of the module on the meta device, and calls it with tensors there.
    """
    # weights are not copied, which need not fit into memory twice; quantized ones make their own copies
    weights = [
        weight for weight in (*module.parameters(), *module.buffers()) if type(weight) in (Tensor, nn.Parameter)
    ]
    with torch.device("meta"):
        twin = copy.deepcopy(module, {id(weight): _on_meta(weight) for weight in weights}).to("meta")
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        call(twin)
    return counter.get_total_flops()


def _on_meta(weight: Tensor) -> Tensor:
    twin = weight.detach().to("meta")
    return nn.Parameter(twin, requires_grad=False) if isinstance(weight, nn.Parameter) else twin
