# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""VideoMamba without its selective scans, to see what they cost."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch.nn.functional import silu

from ..kernels.fast_paths import FastPaths
from ..kernels.naive_scan import ScanInputs
from ..modeling import modeling_videomamba


def _input_of_scan(inputs: ScanInputs, implementation: str) -> torch.Tensor:
    return inputs.x


def _inputs_of_scans(forward: ScanInputs, backward: ScanInputs, gate: torch.Tensor) -> torch.Tensor:
    return (forward.x + backward.x) * silu(gate)


@contextmanager
def scan_left_out() -> Iterator[None]:
    """While it is entered, every scan gives back its input. What stands around it stays: the sum of the directions, the gate."""
    functions, scan, mixers = vars(modeling_videomamba), modeling_videomamba.scan, FastPaths.mixers
    functions["scan"] = _input_of_scan
    FastPaths.mixers = {name: kernels._replace(scan_both_ways=_inputs_of_scans) for name, kernels in mixers.items()}
    try:
        yield
    finally:
        functions["scan"], FastPaths.mixers = scan, mixers
