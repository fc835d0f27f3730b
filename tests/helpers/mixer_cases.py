# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Inputs of the compiled inner part of a VideoMamba mixer, and what comes out by plain PyTorch in float32."""

import torch
from torch.nn import functional as F

from transformers_mvgpt.kernels.naive_scan import ScanInputs, naive_scan


# relative error of one rounding; sums of float32 in another order
TOLERANCES = {
    torch.float32: {"rtol": 1e-5, "atol": 2e-5},
    torch.bfloat16: {"rtol": 2**-8, "atol": 2e-5},
    torch.float16: {"rtol": 2**-11, "atol": 2e-5},
}


def flipped(tensor, is_backward):
    return tensor.flip(1) if is_backward else tensor


def make_convolution(size, dtype, device="cpu"):
    """x, a part of a wider projection, as the mixer has it; weight and bias."""
    num_channels = size[2]
    x = (8 * torch.randn(*size[:2], 2 * num_channels)).to(device, dtype)[..., :num_channels]
    return x, torch.randn(num_channels, 1, 4).to(device), torch.randn(num_channels).to(device)


def convolved(x, weight, bias, is_backward):
    rows = flipped(x.float(), is_backward).transpose(1, 2)
    result = F.silu(F.conv1d(rows, weight, bias, padding=3, groups=x.shape[2])[..., : x.shape[1]])
    return flipped(result.transpose(1, 2), is_backward)


def make_scans(size, states, dtype, device="cpu"):
    """Both directions, and the gate."""
    batch, length, channels = size

    def random(*shape, scale=1.0):
        return (scale * torch.randn(*shape)).to(device, dtype)

    directions = [
        ScanInputs(
            x=random(*size),
            dt=random(*size, scale=20),  # far into both ends of the softplus
            A=-16 * torch.rand(channels, states).to(device),
            B=random(batch, 1, length, states),
            C=random(batch, 1, length, states),
            D=torch.randn(channels).to(device),
        )
        for _ in range(2)
    ]
    return *directions, random(batch, length, 2 * channels, scale=30)[..., channels:]


def scanned_both_ways(forward, backward, gate):
    return (_scanned(forward, False) + _scanned(backward, True)) * F.silu(gate.float())


def _scanned(direction, is_backward):
    x, dt = (flipped(tensor.float(), is_backward) for tensor in (direction.x, direction.dt))
    B, C = (tensor.float().flip(2) if is_backward else tensor.float() for tensor in (direction.B, direction.C))
    return flipped(naive_scan(ScanInputs(x, dt, direction.A, B, C, direction.D)), is_backward)


def assert_scan_close(found, wanted, dtype):
    assert found.dtype == dtype
    scale = wanted.abs().max()  # sums of large terms
    torch.testing.assert_close(found.float() / scale, wanted / scale, **TOLERANCES[dtype])
