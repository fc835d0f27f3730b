# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Times of one direction of VideoMamba-M's scan on a GPU, ours and mamba-ssm's: `python -m gpu_checks.scans FILE`."""

import json
import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from transformers_mvgpt.kernels.dispatch_video import selective_scan


CHANNELS, TOKENS, STATES = 1152, 1569, 16
IMPLEMENTATIONS = ("triton", "mamba_ssm")
_RUNS, _REPLAYS = 20, 10


def make_inputs(batch_size: int, dtype: torch.dtype, device: str = "cuda") -> dict[str, torch.Tensor]:
    """Arguments of `selective_scan`, those that a model trains with gradients."""
    generator = torch.Generator(device).manual_seed(0)

    def random(*shape: int, kind: torch.dtype = dtype) -> torch.Tensor:
        return torch.randn(*shape, generator=generator, device=device).to(kind)

    inputs = {
        "x": random(batch_size, TOKENS, CHANNELS).mT,
        "dt": random(batch_size, TOKENS, CHANNELS).mT,
        "A": -random(CHANNELS, STATES, kind=torch.float32).exp(),
        "B": random(batch_size, 1, TOKENS, STATES).mT,
        "C": random(batch_size, 1, TOKENS, STATES).mT,
        "D": random(CHANNELS, kind=torch.float32),
        "dt_bias": random(CHANNELS, kind=torch.float32),
    }
    return {name: tensor.requires_grad_() for name, tensor in inputs.items()}


def forward_seconds(inputs: dict[str, torch.Tensor], implementation: str) -> float:
    """Of one scan in a CUDA graph of ten, where Python takes no time: the median."""
    with torch.no_grad():
        selective_scan(**inputs, implementation=implementation)
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            for _ in range(_REPLAYS):
                selective_scan(**inputs, implementation=implementation)
    return _median_seconds(graph.replay) / _REPLAYS


def training_seconds(inputs: dict[str, torch.Tensor], implementation: str) -> float:
    """Of one scan forward and backward, as PyTorch comes to it: the median."""
    gradient = torch.ones_like(inputs["x"])
    leaves = list(inputs.values())

    def step() -> None:
        torch.autograd.grad(selective_scan(**inputs, implementation=implementation), leaves, gradient)

    return _median_seconds(step)


def _median_seconds(call: Callable[[], object]) -> float:
    seconds = []
    for run in range(_RUNS + 3):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        call()
        end.record()
        torch.cuda.synchronize()
        if run >= 3:
            seconds.append(start.elapsed_time(end) / 1000)
    return statistics.median(seconds)


def measure() -> list[dict[str, Any]]:
    """A record for each dtype, batch size and implementation; one that is not there, or fails, has an `error`."""
    records = []
    for dtype in (torch.bfloat16, torch.float32):
        for batch_size in (1, 8):
            inputs = make_inputs(batch_size, dtype)
            for implementation in IMPLEMENTATIONS:
                record: dict[str, Any] = {
                    "implementation": implementation,
                    "dtype": str(dtype).removeprefix("torch."),
                    "batch_size": batch_size,
                }
                try:
                    record["forward_seconds"] = forward_seconds(inputs, implementation)
                    record["training_seconds"] = training_seconds(inputs, implementation)
                except Exception as error:  # what one implementation cannot do is no reason to leave out the others
                    record["error"] = f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"
                records.append(record)
    return records


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(json.dumps({"scans": measure()}, indent=2) + "\n", encoding="utf-8")
