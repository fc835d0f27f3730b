# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
The selective scan of Mamba (https://arxiv.org/abs/2312.00752, section 3), with one signature for every implementation.

Symbols in the shapes: B samples, L tokens, D channels, N states per channel, G groups of D / G consecutive channels.
Channels of a group share their B and C. The directions of a bidirectional block are groups: one call scans both.
"""

from typing import Literal

import torch
from torch.nn.functional import silu

from .numba_scan import has_numba
from .torch_scan import recurrence
from .triton_scan import fused_scan
from .triton_support import SUITS_AUTO, runs_triton, triton


try:
    from mamba_ssm.ops.selective_scan_interface import selective_scan_fn
except ImportError:
    selective_scan_fn = None


ScanImplementation = Literal["auto", "torch", "numba", "triton", "mamba_ssm"]


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
    if implementation == "auto":
        implementation = _fastest_implementation(x)
    if implementation == "torch":
        return selective_scan_torch(x, dt, A, B, C, D, z, dt_bias)
    if implementation == "numba":
        return selective_scan_numba(x, dt, A, B, C, D, z, dt_bias)
    if implementation == "triton":
        return selective_scan_triton(x, dt, A, B, C, D, z, dt_bias)
    if implementation == "mamba_ssm":
        return selective_scan_cuda(x, dt, A, B, C, D, z, dt_bias)
    raise ValueError(f"implementation ({implementation!r}) must be 'auto', 'torch', 'numba', 'triton' or 'mamba_ssm'.")


def _fastest_implementation(x: torch.Tensor) -> ScanImplementation:
    if x.dtype == torch.float64:
        return "torch"
    if not x.is_cuda:
        return "numba" if x.device.type == "cpu" and has_numba else "torch"
    if SUITS_AUTO:
        return "triton"
    return "torch" if selective_scan_fn is None else "mamba_ssm"


def selective_scan_torch(
    x: torch.Tensor,
    dt: torch.Tensor,
    A: torch.Tensor,
    B: torch.Tensor,
    C: torch.Tensor,
    D: torch.Tensor,
    z: torch.Tensor | None = None,
    dt_bias: torch.Tensor | None = None,
) -> torch.Tensor:
    """
    [`selective_scan`] in plain PyTorch, for every device: the reference of all other implementations.

    On CPU its threads meet after each of thousands of short operations. Where other processes keep the cores busy, it is
    therefore several times faster after `torch.set_num_threads(1)`.
    """
    return _scan_recurrently(x, dt, A, B, C, D, z, dt_bias, with_numba=False)


def selective_scan_numba(
    x: torch.Tensor,
    dt: torch.Tensor,
    A: torch.Tensor,
    B: torch.Tensor,
    C: torch.Tensor,
    D: torch.Tensor,
    z: torch.Tensor | None = None,
    dt_bias: torch.Tensor | None = None,
) -> torch.Tensor:
    """
    [`selective_scan`] compiled by numba, for CPU tensors of at most 32 bits. Gradients are those of plain PyTorch.

    Raises:
        ImportError: If numba is not installed.
        ValueError: If a tensor is of float64 or not on the CPU.
    """
    if not has_numba:
        raise ImportError("selective_scan_numba needs the package numba; selective_scan_torch runs without it.")
    if x.device.type != "cpu" or x.dtype == torch.float64:
        raise ValueError(
            f"selective_scan_numba takes CPU tensors of at most 32 bits, x is of {x.dtype} on {x.device}: "
            "selective_scan_torch takes all."
        )
    return _scan_recurrently(x, dt, A, B, C, D, z, dt_bias, with_numba=True)


def _scan_recurrently(
    x: torch.Tensor,
    dt: torch.Tensor,
    A: torch.Tensor,
    B: torch.Tensor,
    C: torch.Tensor,
    D: torch.Tensor,
    z: torch.Tensor | None,
    dt_bias: torch.Tensor | None,
    with_numba: bool,
) -> torch.Tensor:
    _check_shapes(x, dt, A, B, C, D, z, dt_bias)
    dtype = torch.promote_types(x.dtype, torch.float32)
    num_groups = B.shape[1]
    if dt_bias is not None:
        dt = dt.to(dtype) + dt_bias.to(dtype).unsqueeze(-1)
    y = recurrence(
        x.unflatten(1, (num_groups, -1)).transpose(2, 3),  # (B, D, L) -> (B, G, L, D / G)
        dt.unflatten(1, (num_groups, -1)).transpose(2, 3),
        A.to(dtype).unflatten(0, (num_groups, -1)).transpose(1, 2).contiguous(),  # (D, N) -> (G, N, D / G)
        B.to(dtype).transpose(2, 3).contiguous(),  # (B, G, N, L) -> (B, G, L, N)
        C.to(dtype).transpose(2, 3).contiguous(),
        D.to(dtype).unflatten(0, (num_groups, -1)),  # (D,) -> (G, D / G)
        with_numba,
    )
    y = y.transpose(2, 3).flatten(1, 2)  # (B, G, L, D / G) -> (B, D, L)
    if z is not None:
        y = y * silu(z.to(dtype))
    return y.to(x.dtype)


def selective_scan_cuda(
    x: torch.Tensor,
    dt: torch.Tensor,
    A: torch.Tensor,
    B: torch.Tensor,
    C: torch.Tensor,
    D: torch.Tensor,
    z: torch.Tensor | None = None,
    dt_bias: torch.Tensor | None = None,
) -> torch.Tensor:
    """
    [`selective_scan`] with the kernel of mamba-ssm, for CUDA tensors of at most 32 bits.

    Raises:
        ImportError: If mamba-ssm is not installed.
    """
    if selective_scan_fn is None:
        raise ImportError("selective_scan_cuda needs the package mamba-ssm; selective_scan_torch runs without it.")
    _check_shapes(x, dt, A, B, C, D, z, dt_bias)
    # the kernel wants one dtype for what has tokens, and float32 for the rest
    dt, B, C = (tensor.to(x.dtype) for tensor in (dt, B, C))
    z = None if z is None else z.to(x.dtype)
    dt_bias = None if dt_bias is None else dt_bias.float()
    return selective_scan_fn(x, dt, A.float(), B, C, D.float(), z=z, delta_bias=dt_bias, delta_softplus=True)


def selective_scan_triton(
    x: torch.Tensor,
    dt: torch.Tensor,
    A: torch.Tensor,
    B: torch.Tensor,
    C: torch.Tensor,
    D: torch.Tensor,
    z: torch.Tensor | None = None,
    dt_bias: torch.Tensor | None = None,
) -> torch.Tensor:
    """
    [`selective_scan`] with Triton kernels that fuse all of it, for CUDA tensors of at most 32 bits; in Triton's
    interpreter (`TRITON_INTERPRET=1`), for CPU tensors too.

    Raises:
        ImportError: If Triton is not installed, or older than 3.3.
        ValueError: If a tensor is of float64, or on a CPU.
    """
    if triton is None:
        raise ImportError("selective_scan_triton needs triton 3.3 or newer; selective_scan_torch runs without it.")
    _check_shapes(x, dt, A, B, C, D, z, dt_bias)
    if x.device.type == "cpu" and not runs_triton(x.device):
        raise ValueError("selective_scan_triton takes tensors on a GPU, x is on cpu: selective_scan_torch takes all.")
    if x.dtype == torch.float64:
        raise ValueError(
            f"selective_scan_triton computes in float32, x is of {x.dtype}: selective_scan_torch keeps the precision."
        )
    return fused_scan(x, dt, A, B, C, D, z, dt_bias)


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
