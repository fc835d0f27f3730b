# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""What stands between the projections of a VideoMamba mixer: on a CPU with numba, on a GPU with Triton."""

from collections.abc import Callable
from typing import NamedTuple

import torch

from .selective_scan_numba_mvgpt import has_numba
from .triton_support_mvgpt import SUITS_AUTO, runs_triton
from .videomamba_convolution_mvgpt import convolve
from .videomamba_numba_mvgpt import scan_both_ways as scan_by_numba
from .videomamba_triton_mvgpt import convolve as convolve_by_triton
from .videomamba_triton_mvgpt import scan_both_ways as scan_by_triton


class MixerKernels(NamedTuple):
    """
    Args:
        convolve (`Callable`): as [`videomamba_convolution_mvgpt.convolve`].
        scan_both_ways (`Callable`): as [`videomamba_numba_mvgpt.scan_both_ways`].
    """

    convolve: Callable[..., torch.Tensor]
    scan_both_ways: Callable[..., torch.Tensor]


def mixer_kernels(implementation: str, device: torch.device, dtype: torch.dtype) -> MixerKernels | None:
    """
    The kernels for a mixer without gradients, or `None` if there are none.

    Args:
        implementation (`str`): `scan_implementation` of the config.
        device (`torch.device`), dtype (`torch.dtype`): of the mixer.
    """
    is_cpu, by_choice = device.type == "cpu", implementation == "auto"
    if is_cpu and has_numba and (by_choice or implementation == "numba"):
        return MixerKernels(convolve, scan_by_numba) if dtype in (torch.float32, torch.bfloat16) else None
    asked = (by_choice and not is_cpu and SUITS_AUTO) or implementation == "triton"
    if asked and runs_triton(device):
        is_small = dtype in (torch.float32, torch.bfloat16, torch.float16)
        return MixerKernels(convolve_by_triton, scan_by_triton) if is_small else None
    return None
