# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""VideoMamba without its selective scans, to see what they cost."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.nn.functional import silu

from ..kernels import numba_mixer, triton_mixer
from ..kernels.naive_scan import ScanInputs
from ..modeling import modeling_videomamba


def _input_of_scan(inputs: ScanInputs, implementation: str) -> torch.Tensor:
    return inputs.x


def _inputs_of_scans(forward: ScanInputs, backward: ScanInputs, gate: torch.Tensor) -> torch.Tensor:
    return (forward.x + backward.x) * silu(gate)


def _write_inputs_of_scans(x: torch.Tensor, *arguments: Any, y: torch.Tensor, **buffers: Any) -> None:
    y.copy_(x)


@contextmanager
def scan_left_out() -> Iterator[None]:
    """While it is entered, every scan gives back its input. What stands around it stays: the sum of the directions, the gate."""
    replacements = [
        (modeling_videomamba, "scan", _input_of_scan),
        (numba_mixer, "scan_both_ways", _inputs_of_scans),
        (triton_mixer, "walk_both_ways", _write_inputs_of_scans),
    ]
    originals = [getattr(module, name) for module, name, _ in replacements]
    for module, name, replacement in replacements:
        setattr(module, name, replacement)
    try:
        yield
    finally:
        for (module, name, _), original in zip(replacements, originals, strict=True):
            setattr(module, name, original)
