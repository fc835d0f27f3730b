# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
The inner part of a VideoMamba mixer on CPU without gradients: convolutions by PyTorch, scans and gate compiled by numba.

Nothing is transposed, flipped or joined. A thread takes some channels through all tokens, forwards and then backwards; their
states stay in its first cache, their sums in its second.

Symbols in the shape comments: S samples, L tokens, E channels, N states per channel, T taps.
"""

from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from .naive_scan import ScanInputs
from .numba_compile import CompiledFunctions, silu
from .numba_intrinsics import shared_array
from .numba_scan import Unit, load, scan_arrays, share_units
from .numba_scan import compiled as compiled_scan


_NO_STATES = np.zeros((0, 1, 1, 1, 1), np.float32)


def mix(mixer: Any, hidden_states: torch.Tensor) -> torch.Tensor:
    """What stands between the first and the last projection of a VideoMamba mixer, with the first: (S, L, h) -> (S, L, E)."""
    x, gate = mixer.in_proj(hidden_states).chunk(2, dim=-1)  # (S, L, E) each
    sizes = [mixer.config.time_step_rank, mixer.config.state_size, mixer.config.state_size]
    directions = []
    for conv1d, x_proj, dt_proj, A_log, D, is_backward in (
        (mixer.conv1d, mixer.x_proj, mixer.dt_proj, mixer.A_log, mixer.D, False),
        (mixer.conv1d_b, mixer.x_proj_b, mixer.dt_proj_b, mixer.A_b_log, mixer.D_b, True),
    ):
        convolved = convolve(x, conv1d.weight, conv1d.bias, is_backward)
        dt, B, C = x_proj(convolved).split(sizes, dim=-1)
        B, C = B.unsqueeze(1), C.unsqueeze(1)  # (S, 1, L, N)
        directions.append(ScanInputs(convolved, dt_proj(dt), -torch.exp(A_log.float()), B, C, D))
    forward, backward = directions
    return scan_both_ways(forward, backward, gate)


def convolve(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, is_backward: bool) -> torch.Tensor:
    """
    The depthwise convolution of a direction, and SiLU.

    Args:
        x (`torch.Tensor` of shape `(S, L, E)`): of any floating point dtype.
        weight (`torch.Tensor` of shape `(E, 1, T)`): of `nn.Conv1d`, in the dtype of x.
        bias (`torch.Tensor` of shape `(E,)`): likewise.
        is_backward (`bool`): whether a token sees the T - 1 after it, not those before it.

    Returns:
        `torch.Tensor` of shape `(S, L, E)`, in the dtype of x.
    """
    length, reach = x.shape[1], weight.shape[-1] - 1
    weight = weight.flip(-1) if is_backward else weight
    # only images may have their channels last in memory
    images = x.transpose(1, 2).unsqueeze(2)  # (S, E, 1, L)
    result = F.conv2d(images, weight.unsqueeze(2), bias, padding=(0, reach), groups=x.shape[2])
    result = result.squeeze(2).transpose(1, 2)  # (S, L + T - 1, E)
    return F.silu(result[:, reach:] if is_backward else result[:, :length])


def scan_both_ways(forward: ScanInputs, backward: ScanInputs, gate: torch.Tensor) -> torch.Tensor:
    """
    The selective scans of both directions, `backward` from the last token to the first; their sum times silu(gate).

    Args:
        forward, backward ([`ScanInputs`]): of one group and without a gate and bias, both in the order of the tokens.
        gate (`torch.Tensor` of shape `(S, L, E)`): before its SiLU, in the dtype of x.

    Returns:
        `torch.Tensor` of shape `(S, L, E)`, in the dtype of x.
    """
    result = torch.empty_like(gate, memory_format=torch.contiguous_format)
    one_way, other_way = scan_arrays(forward), scan_arrays(backward)
    scan, gate_array, result_array = compiled_scan.scan_unit, shared_array(gate), shared_array(result)

    # three calls and not one: LLVM would join them, and find no vector instructions for what comes of it
    def work(unit: Unit) -> None:
        sums = np.zeros((gate.shape[1], unit.width), np.float32)
        scan(*one_way, sums, _NO_STATES, 1, *unit, False)
        scan(*other_way, sums, _NO_STATES, 1, *unit, True)
        _compiled.apply_gate(gate_array, sums, result_array, unit.sample, unit.first, unit.width)

    share_units(work, gate.shape)
    return result


def _store(array, sample, token, first, width, values, bits):
    """As [`load`], the other way round; rounds to the nearest, ties to even."""
    if array.itemsize == 2:
        for k in range(width):
            odd = (bits[k] >> np.uint32(16)) & np.uint32(1)
            array[sample, token, first + k] = np.uint16((bits[k] + np.uint32(0x7FFF) + odd) >> np.uint32(16))
    else:
        for k in range(width):
            array[sample, token, first + k] = values[k]


def apply_gate(gate, sums, result, sample, first, width):
    """Writes a unit of sums (L, width) times silu(gate): gate, result (S, L, E)."""
    length, unit_size = sums.shape
    values = np.zeros(unit_size, np.float32)
    bits = values.view(np.uint32)
    first_channel, num_loaded = np.uint64(first), np.uint64(width)
    for token in range(length):
        load(gate, sample, token, first_channel, num_loaded, values, bits)
        for k in range(unit_size):
            values[k] = silu(values[k])
        for k in range(unit_size):
            values[k] *= sums[token, k]
        _store(result, sample, token, first_channel, num_loaded, values, bits)


_compiled = CompiledFunctions((apply_gate,), (load, _store), fastmath={"contract", "nsz"}, inline="always")
