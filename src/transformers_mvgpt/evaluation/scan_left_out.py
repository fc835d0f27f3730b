# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""VideoMamba without its selective scans, to see what they cost."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.nn.functional import silu

from ..kernels.mixer_kernels import MixerKernels, mixer_kernels
from ..kernels.scan_inputs import Direction
from ..modeling import modeling_videomamba


def _input_of_scan(x: torch.Tensor, *others: object) -> torch.Tensor:
    return x


def _inputs_of_scans(forward: Direction, backward: Direction, gate: torch.Tensor) -> torch.Tensor:
    return (forward.x + backward.x) * silu(gate)


def _kernels_without_scan(*arguments: Any) -> MixerKernels | None:
    kernels = mixer_kernels(*arguments)
    return None if kernels is None else kernels._replace(scan_both_ways=_inputs_of_scans)


_STAND_INS = {"selective_scan": _input_of_scan, "mixer_kernels": _kernels_without_scan}


@contextmanager
def scan_left_out() -> Iterator[None]:
    """While it is entered, every scan gives back its input. What stands around it stays: the sum of the directions, the gate."""
    functions = vars(modeling_videomamba)
    scans = {name: functions[name] for name in _STAND_INS}
    functions.update(_STAND_INS)
    try:
        yield
    finally:
        functions.update(scans)
