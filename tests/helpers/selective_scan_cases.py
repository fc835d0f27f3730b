# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Inputs of the selective scan, its implementations by name, and how they are compared."""

from functools import partial

import torch

from transformers_mvgpt.kernels.dispatch_video import selective_scan
from transformers_mvgpt.kernels.naive_scan import ScanInputs, naive_scan


selective_scan_torch = partial(selective_scan, implementation="torch")
selective_scan_numba = partial(selective_scan, implementation="numba")
selective_scan_triton = partial(selective_scan, implementation="triton")
selective_scan_cuda = partial(selective_scan, implementation="mamba_ssm")


def make_inputs(batch=2, groups=2, channels_per_group=3, states=4, length=7, dtype=torch.float64, device="cpu"):
    generator = torch.Generator().manual_seed(0)

    def randn(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64).to(device, dtype)

    channels = groups * channels_per_group
    return {
        "x": randn(batch, channels, length),
        "dt": randn(batch, channels, length),
        "A": -torch.exp(randn(channels, states)),
        "B": randn(batch, groups, states, length),
        "C": randn(batch, groups, states, length),
        "D": randn(channels),
        "z": randn(batch, channels, length),
        "dt_bias": randn(channels),
    }


def scan_by_the_formula(x, dt, A, B, C, D, z, dt_bias):
    """[`naive_scan`] of what [`selective_scan`] takes."""
    return naive_scan(ScanInputs(x.mT, dt.mT, A, B.mT, C.mT, D, z.mT, dt_bias)).mT


def output_and_grads(scan, inputs):
    """y, and the gradients of a weighted sum of y with respect to every input."""
    inputs = {name: tensor.detach().requires_grad_() for name, tensor in inputs.items()}
    y = scan(**inputs)
    weights = torch.linspace(-1, 2, y.numel(), dtype=torch.float64, device=y.device).view(y.shape)
    grads = torch.autograd.grad((y.double() * weights).sum(), list(inputs.values()))
    return {"y": y.detach()} | {f"grad of {name}": grad for name, grad in zip(inputs, grads, strict=True)}


def assert_all_close(actual, expected, tolerance):
    """The largest error of each tensor is at most `tolerance` of its largest value."""
    for name, tensor in expected.items():
        error, scale = (actual[name].double() - tensor.double()).abs().max(), tensor.double().abs().max()
        assert error <= tolerance * scale, f"{name} is off by {error:.1e} at a scale of {scale:.1e}"


def double(inputs):
    return {name: tensor.double() for name, tensor in inputs.items()}
