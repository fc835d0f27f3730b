# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""What stands between the projections of a VideoMamba mixer: on a CPU with numba, on a GPU with Triton."""

from collections.abc import Callable
from typing import NamedTuple

import torch

from .numba_mixer import scan_both_ways as scan_by_numba
from .numba_scan import has_numba
from .torch_convolution import convolve
from .triton_mixer import convolve as convolve_by_triton
from .triton_mixer import scan_both_ways as scan_by_triton
from .triton_support import SUITS_AUTO, runs_triton


class MixerKernels(NamedTuple):
    """
    Args:
        convolve (`Callable`): as [`torch_convolution.convolve`].
        scan_both_ways (`Callable`): as [`numba_mixer.scan_both_ways`].
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
