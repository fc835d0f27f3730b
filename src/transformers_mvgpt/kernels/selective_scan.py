# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
The selective scan of Mamba (https://arxiv.org/abs/2312.00752, section 3), with one signature for every implementation.

Symbols in the shapes: B samples, L tokens, D channels, N states per channel, G groups of D / G consecutive channels.
Channels of a group share their B and C. The directions of a bidirectional block are groups: one call scans both.
"""

import torch

from .dispatch import ScanImplementation, scan
from .naive_scan import ScanInputs


def selective_scan(
    x: torch.Tensor,
    dt: torch.Tensor,
    A: torch.Tensor,
    B: torch.Tensor,
    C: torch.Tensor,
    D: torch.Tensor,
    z: torch.Tensor | None = None,
    dt_bias: torch.Tensor | None = None,
    implementation: ScanImplementation = "auto",
) -> torch.Tensor:
    """
    h_t = exp(dt_t A) h_{t-1} + (dt_t B_t) x_t from h = 0, y_t = (C_t . h_t + D x_t) * silu(z_t), where
    dt = softplus(dt + dt_bias).

    Computes in float32 (float64 if x is).

    Args:
        x (`torch.Tensor` of shape `(B, D, L)`): Input. Fastest as a transposed `(B, L, D)`.
        dt (`torch.Tensor` of shape `(B, D, L)`): Step sizes before bias and softplus. Fastest as x is.
        A (`torch.Tensor` of shape `(D, N)`): Decay rates, negative.
        B (`torch.Tensor` of shape `(B, G, N, L)`): From the input into the states.
        C (`torch.Tensor` of shape `(B, G, N, L)`): From the states to the output.
        D (`torch.Tensor` of shape `(D,)`): From the input straight to the output.
        z (`torch.Tensor` of shape `(B, D, L)`, *optional*): Gate of the output.
        dt_bias (`torch.Tensor` of shape `(D,)`, *optional*): Bias of dt.
        implementation (`str`, defaults to `"auto"`): `"torch"`, `"numba"`, `"triton"` or `"mamba_ssm"`. `"auto"` is, for
            tensors of at most 32 bits, numba's on CPU and Triton's on NVIDIA GPUs, each where it is installed (Triton
            needs a C compiler and Python's headers too; without them mamba-ssm's is next); plain PyTorch for all others.

    Returns:
        `torch.Tensor` of shape `(B, D, L)`: y in the dtype of x.

    Raises:
        ValueError: If the shapes do not fit together, or the implementation is unknown or cannot take x.
        ImportError: If the implementation is not installed.
    """
    _check_shapes(x, dt, A, B, C, D, z, dt_bias)
    z = None if z is None else z.mT
    return scan(ScanInputs(x.mT, dt.mT, A, B.mT, C.mT, D, z, dt_bias), implementation).mT


def _check_shapes(
    x: torch.Tensor,
    dt: torch.Tensor,
    A: torch.Tensor,
    B: torch.Tensor,
    C: torch.Tensor,
    D: torch.Tensor,
    z: torch.Tensor | None,
    dt_bias: torch.Tensor | None,
) -> None:
    if x.ndim != 3 or B.ndim != 4:
        raise ValueError(
            f"x must have 3 dimensions (batch, channels, length) and B 4 (batch, groups, states, length), but their "
            f"shapes are {tuple(x.shape)} and {tuple(B.shape)}."
        )
    batch, channels, length = x.shape
    groups, states = B.shape[1:3]
    if channels % groups:
        raise ValueError(f"The {channels} channels of x must be a multiple of the {groups} groups of B.")
    needed_shapes = {
        "dt": (dt, (batch, channels, length)),
        "A": (A, (channels, states)),
        "B": (B, (batch, groups, states, length)),
        "C": (C, (batch, groups, states, length)),
        "D": (D, (channels,)),
        "z": (z, (batch, channels, length)),
        "dt_bias": (dt_bias, (channels,)),
    }
    for name, (tensor, shape) in needed_shapes.items():
        if tensor is not None and tensor.shape != shape:
            raise ValueError(
                f"{name} has the shape {tuple(tensor.shape)}, but with x {tuple(x.shape)} and B {tuple(B.shape)} it "
                f"must be {shape}."
            )
