# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The selective scan by the CUDA kernel of the package mamba-ssm, where that is installed."""

import torch

from .naive_scan import ScanInputs


try:
    from mamba_ssm.ops.selective_scan_interface import selective_scan_fn
except ImportError:
    selective_scan_fn = None


def scan_with_mamba_ssm(inputs: ScanInputs) -> torch.Tensor:
    """
    As [`scan_with_torch`], for CUDA tensors of at most 32 bits.

    Raises:
        ImportError: if mamba-ssm is not installed.
    """
    if selective_scan_fn is None:
        raise ImportError("The implementation 'mamba_ssm' needs the package mamba-ssm; 'torch' runs without it.")
    # the kernel wants channels before tokens, one dtype for what has tokens, and float32 for the rest
    x, dtype = inputs.x, inputs.x.dtype
    dt, B, C = (tensor.to(dtype).mT for tensor in (inputs.dt, inputs.B, inputs.C))
    z = None if inputs.z is None else inputs.z.to(dtype).mT
    dt_bias = None if inputs.dt_bias is None else inputs.dt_bias.float()
    y = selective_scan_fn(
        x.mT, dt, inputs.A.float(), B, C, inputs.D.float(), z=z, delta_bias=dt_bias, delta_softplus=True
    )
    return y.mT
