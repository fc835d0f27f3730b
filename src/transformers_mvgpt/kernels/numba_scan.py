# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
The forward pass of the selective scan on CPU, compiled by numba, which needs no compiler on the machine.

A thread takes some channels through all tokens: their states stay in its first cache, where plain PyTorch writes and reads
every state of every token. Inputs stay in memory as the projections write them: nothing is transposed, and nothing of
bfloat16 is changed to float32 for whole tensors, which takes longer than the arithmetic.

Symbols in the shape comments: S samples, L tokens, E channels, G groups, K channels per group, N states per channel.
"""

import re
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch

from .naive_scan import ScanInputs
from .numba_compile import LOG2_E, CompiledFunctions, exp2, softplus
from .numba_intrinsics import prefetch, shared_array
from .threads import share_work
from .torch_scan import TOKENS_PER_BLOCK, backward, empty_outputs, scan_with_torch, setup_context


# Many channels make the most of vector instructions; the states of more channels would leave the cache.
_MOST_CHANNELS, _CHANNELS_STEP = 192, 64
_LINE_BYTES = 64
# A unit's channels of two tokens are too far from each other for the processor to see where it goes.
_TOKENS_AHEAD = 2

# A second copy of this file (remote code beside the package) must not redefine the operators of the first.
_NAMESPACE = re.sub(r"\W", "_", __name__, flags=re.ASCII)


def scan_with_numba(inputs: ScanInputs) -> torch.Tensor:
    """As [`scan_with_torch`], for CPU tensors of at most 32 bits. Gradients are those of plain PyTorch."""
    return scan_with_torch(inputs, _forward)


@torch.library.custom_op(f"{_NAMESPACE}::recurrence_forward", mutates_args=())
def _forward(inputs: list[torch.Tensor], save_states: bool) -> tuple[torch.Tensor, torch.Tensor]:
    x, dt, A, B, C, D = inputs
    y, saved_states = empty_outputs(inputs, save_states)
    # (S, G, L, K) -> (S, L, E), as it lies in memory
    x, dt, result = (tensor.transpose(1, 2).flatten(2) for tensor in (x, dt, y))
    if x.dtype != torch.bfloat16 or dt.dtype != torch.bfloat16:
        x, dt = x.to(A.dtype), dt.to(A.dtype)
    arrays = scan_arrays(ScanInputs(x, dt, A.transpose(1, 2).flatten(0, 1), B, C, D.flatten()))
    states, y_array = saved_states.numpy(), result.numpy()

    def work(unit: Unit) -> None:
        sums = np.zeros((x.shape[1], unit.width), np.float32)
        compiled.scan_unit(*arrays, sums, states, TOKENS_PER_BLOCK, *unit, False)
        y_array[unit.sample, :, unit.first : unit.first + unit.width] = sums

    share_units(work, x.shape, num_groups=A.shape[0])
    return y, saved_states


_forward.register_fake(empty_outputs)
_forward.register_autograd(backward, setup_context=setup_context)


def scan_arrays(inputs: ScanInputs) -> tuple[np.ndarray, ...]:
    """What [`scan_unit`] takes of the inputs of a scan."""
    rates = (inputs.A.float() * float(LOG2_E)).T.contiguous()  # (N, E)
    # a copy of a weight: what NumPy has seen cannot be resized any more, as FSDP does
    D = inputs.D.to(torch.float32, copy=True, memory_format=torch.contiguous_format)
    parts = (rates, inputs.B.float().contiguous(), inputs.C.float().contiguous(), D)
    return shared_array(inputs.x), shared_array(inputs.dt), *(part.detach().numpy() for part in parts)


class Unit(NamedTuple):
    """
    What a kernel does in one piece: some channels of a group of a sample.

    Args:
        sample, group (`int`): which.
        first, width (`int`): the first channel, counted over all groups, and how many there are.
    """

    sample: int
    group: int
    first: int
    width: int


def share_units(work: Callable[[Unit], None], shape: torch.Size, num_groups: int = 1) -> None:
    """Does all units of tensors of a shape (S, L, E), with torch's number of threads."""
    num_samples, _, num_channels = shape
    share = -(-num_samples * num_channels // torch.get_num_threads())
    width = min(-(-share // _CHANNELS_STEP) * _CHANNELS_STEP, _MOST_CHANNELS)
    group_width = num_channels // num_groups
    units = [
        Unit(sample, group, group * group_width + start, min(width, group_width - start))
        for sample in range(num_samples)
        for group in range(num_groups)
        for start in range(0, group_width, width)
    ]
    share_work(work, units)


def load(array, sample, token, first, width, values, bits):
    """Some channels of a token to float32. `bits` is the same memory as `values`."""
    # No views of rows: to count who refers to them takes longer than the loops. `first` and `width` are unsigned: numba
    # looks whether a signed index counts from the end, and then there are no vector instructions.
    if array.itemsize == 2:
        for k in range(width):
            bits[k] = np.uint32(array[sample, token, first + k]) << np.uint32(16)
    else:
        for k in range(width):
            values[k] = array[sample, token, first + k]


def _ask_for(array, sample, token, first, width):
    """Some channels of a token, which need not exist."""
    address = array.ctypes.data + sample * array.strides[0] + token * array.strides[1] + first * array.itemsize
    for byte in range(0, width * array.itemsize, _LINE_BYTES):
        prefetch(address + byte)


def scan_unit(x, dt, rates, B, C, D, sums, saved_states, tokens_per_block, sample, group, first, width, is_backward):
    """
    Adds a unit of a scan to sums (L, width): x, dt (S, L, E), rates (N, E), B, C (S, G, L, N), D (E,).

    If there are any, saved_states (blocks, S, G, N, K) gets the states before each block of tokens.
    """
    _, _, length, num_states = B.shape
    unit_size = sums.shape[1]  # it is `width`, but of a shape numba knows that it is not negative
    state = np.zeros((num_states, unit_size), np.float32)
    rate = rates[:, first : first + width].copy()
    skip = D[first : first + width].copy()
    step = np.zeros(unit_size, np.float32)
    u = np.zeros(unit_size, np.float32)
    out = np.zeros(unit_size, np.float32)
    first_channel, num_loaded = np.uint64(first), np.uint64(width)
    step_bits, u_bits = step.view(np.uint32), u.view(np.uint32)
    for index in range(length):
        token = length - 1 - index if is_backward else index
        ahead = token - _TOKENS_AHEAD if is_backward else token + _TOKENS_AHEAD
        if saved_states.shape[0] > 0 and token % tokens_per_block == 0:
            start = first - group * saved_states.shape[4]
            saved_states[token // tokens_per_block, sample, group, :, start : start + width] = state
        _ask_for(dt, sample, ahead, first, width)
        _ask_for(x, sample, ahead, first, width)
        load(dt, sample, token, first_channel, num_loaded, step, step_bits)
        load(x, sample, token, first_channel, num_loaded, u, u_bits)
        # short loops, one after the other, become vector instructions
        for k in range(unit_size):
            step[k] = softplus(step[k])
            out[k] = sums[token, k] + skip[k] * u[k]
            u[k] *= step[k]
        for n in range(num_states):
            b, c = B[sample, group, token, n], C[sample, group, token, n]
            for k in range(unit_size):
                state[n, k] = state[n, k] * exp2(step[k] * rate[n, k]) + u[k] * b
                out[k] += c * state[n, k]
        for k in range(unit_size):
            sums[token, k] = out[k]


# no "reassoc": it would cancel what rounds in `exp2`
compiled = CompiledFunctions((scan_unit,), (load, _ask_for), fastmath={"contract", "nsz"}, inline="always")
