# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
The inner part of a VideoMamba mixer on a GPU without gradients, as Triton kernels: convolutions, scans and gate.

As on the CPU, tokens stay in memory as the projections write them: nothing is transposed, flipped or joined.

Symbols are those of the CPU's kernels: `numba_mixer.py`.
"""

import math

import torch

from .naive_scan import ScanInputs
from .triton_scan import walk_tokens
from .triton_scan_backward import sigmoid
from .triton_support import jit, tl, triton


# Of a program: 1024 numbers.
_TOKENS, _CHANNELS = 8, 128


def convolve(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, is_backward: bool) -> torch.Tensor:
    """As [`numba_mixer.convolve`], for tensors on a GPU of at most 32 bits, with channels side by side."""
    num_samples, length, num_channels = x.shape
    result = torch.empty_like(x, memory_format=torch.contiguous_format)
    grid = num_samples, triton.cdiv(length, _TOKENS), triton.cdiv(num_channels, _CHANNELS)
    with torch.cuda.device_of(x):
        _convolve_kernel[grid](
            *(x, weight.contiguous(), bias, result, length, num_channels, x.stride(0), x.stride(1)),
            IS_BACKWARD=is_backward,
            TAPS=weight.shape[2],
            T=_TOKENS,
            K=_CHANNELS,
        )
    return result


def scan_both_ways(forward: ScanInputs, backward: ScanInputs, gate: torch.Tensor) -> torch.Tensor:
    """
    As [`numba_mixer.scan_both_ways`], for tensors on a GPU of at most 32 bits, with channels side by side. Each
    direction is rounded to the dtype of the gate before they are added.
    """
    num_samples, length, num_channels = gate.shape
    y = gate.new_empty(2, *gate.shape)
    walk_tokens(_prepare(forward), y, reversed_inputs=_prepare(backward))
    result = torch.empty_like(gate, memory_format=torch.contiguous_format)
    grid = num_samples, triton.cdiv(length, _TOKENS), triton.cdiv(num_channels, _CHANNELS)
    with torch.cuda.device_of(gate):
        _gate_kernel[grid](
            *(y[0], y[1], gate, result, length, num_channels, gate.stride(0), gate.stride(1)), T=_TOKENS, K=_CHANNELS
        )
    return result


def _prepare(inputs: ScanInputs) -> ScanInputs:
    """As [`walk_tokens`] takes them."""
    return inputs._replace(A=inputs.A.float() * math.log2(math.e), D=inputs.D.float())


@jit
def _place(length, num_channels, T: tl.constexpr, K: tl.constexpr):
    """The sample of a program, its tokens (T, 1), its channels (1, K), and which of them there are."""
    token = tl.program_id(1) * T + tl.arange(0, T)[:, None]
    channel = tl.program_id(2) * K + tl.arange(0, K)[None, :]
    return tl.program_id(0).to(tl.int64), token, channel, (token < length) & (channel < num_channels)


@jit
def _convolve_kernel(
    x_pointer,
    weight_pointer,  # (channels, TAPS)
    bias_pointer,
    result_pointer,  # (samples, tokens, channels), written
    length,
    num_channels,
    x_sample,
    x_token,
    IS_BACKWARD: tl.constexpr,
    TAPS: tl.constexpr,
    T: tl.constexpr,
    K: tl.constexpr,
):
    sample, token, channel, mask = _place(length, num_channels, T, K)
    is_channel = channel < num_channels
    result = tl.load(bias_pointer + channel, mask=is_channel, other=0.0).to(tl.float32) + tl.zeros((T, K), tl.float32)
    for tap in tl.static_range(TAPS):
        seen = token + (TAPS - 1 - tap) if IS_BACKWARD else token - (TAPS - 1 - tap)
        is_seen = is_channel & (seen >= 0) & (seen < length)
        offsets = sample * x_sample + seen.to(tl.int64) * x_token + channel
        x = tl.load(x_pointer + offsets, mask=is_seen, other=0.0).to(tl.float32)
        weight = tl.load(weight_pointer + channel * TAPS + tap, mask=is_channel, other=0.0).to(tl.float32)
        result += weight * x
    result *= sigmoid(result)
    offsets = (sample * length + token) * num_channels + channel
    tl.store(result_pointer + offsets, result.to(result_pointer.dtype.element_ty), mask=mask)


@jit
def _gate_kernel(
    y_pointer,
    other_y_pointer,
    gate_pointer,
    result_pointer,  # (samples, tokens, channels) as both y, written
    length,
    num_channels,
    gate_sample,
    gate_token,
    T: tl.constexpr,
    K: tl.constexpr,
):
    sample, token, channel, mask = _place(length, num_channels, T, K)
    offsets = (sample * length + token) * num_channels + channel
    y = tl.load(y_pointer + offsets, mask=mask, other=0.0).to(tl.float32)
    y += tl.load(other_y_pointer + offsets, mask=mask, other=0.0).to(tl.float32)
    gate_offsets = sample * gate_sample + token.to(tl.int64) * gate_token + channel
    gate = tl.load(gate_pointer + gate_offsets, mask=mask, other=0.0).to(tl.float32)
    y *= gate * sigmoid(gate)
    tl.store(result_pointer + offsets, y.to(result_pointer.dtype.element_ty), mask=mask)
