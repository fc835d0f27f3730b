# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
The scans and the gate of a VideoMamba mixer on CPU without gradients, compiled by numba, which needs no compiler on the
machine.

The tokens' rows stay as the projections write them: nothing is transposed, flipped, joined, or changed to float32 for whole
tensors, which takes longer than the arithmetic. A thread takes some channels through all tokens, forwards and then
backwards; their states stay in its first cache, their sums in its second.

Symbols in the shape comments: S samples, L tokens, E channels, N states per channel.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch

from .numba_compile import COMPILING, LOG2_E, compile_in_place, exp2, silu, softplus
from .numba_intrinsics import memory_functions, prefetch, shared_array
from .scan_inputs import Direction
from .threads import share_work


# Long rows make the most of vector instructions; the states of more channels would leave the cache.
_MOST_CHANNELS, _CHANNELS_STEP = 192, 64
_LINE_BYTES = 64
_TOKENS_AHEAD = 2  # a unit's rows are too far from each other for the processor to see where it goes


def scan_both_ways(forward: Direction, backward: Direction, gate: torch.Tensor) -> torch.Tensor:
    """
    The selective scans of both directions, each as in [`selective_scan`] but `backward` from the last token to the first;
    their sum times silu(gate).

    Args:
        forward, backward ([`Direction`]): both in the order of the tokens.
        gate (`torch.Tensor` of shape `(S, L, E)`): before its SiLU, in the dtype of x.

    Returns:
        `torch.Tensor` of shape `(S, L, E)`, in the dtype of x.
    """
    result = torch.empty_like(gate, memory_format=torch.contiguous_format)
    one_way, other_way, is_bfloat16 = _arrays(forward), _arrays(backward), gate.dtype == torch.bfloat16
    scan, apply_gate = _kernel("_scan"), _kernel("_apply_gate")

    # three calls and not one: LLVM would join them, and find no vector instructions for what comes of it
    def work(unit: Unit) -> None:
        sums = np.zeros((gate.shape[1], unit.width), np.float32)
        scan(*one_way, sums, *unit, is_bfloat16, False)
        scan(*other_way, sums, *unit, is_bfloat16, True)
        apply_gate(shared_array(gate), sums, shared_array(result), *unit, is_bfloat16)

    _run(work, gate)
    return result


def _arrays(direction: Direction) -> tuple[np.ndarray, ...]:
    """What `_scan` takes of a direction."""
    rates = (direction.A.float() * float(LOG2_E)).T.contiguous()  # (N, E)
    parts = (rates, direction.B.float().contiguous(), direction.C.float().contiguous(), _copied(direction.D))
    return shared_array(direction.x), shared_array(direction.dt), *(part.detach().numpy() for part in parts)


def _copied(weight: torch.Tensor) -> torch.Tensor:
    """In float32. What NumPy has seen cannot be resized any more, as FSDP does with weights."""
    return weight.to(torch.float32, copy=True, memory_format=torch.contiguous_format)


class Unit(NamedTuple):
    """
    What a kernel does in one piece: some channels of a sample.

    Args:
        sample (`int`): which.
        start, width (`int`): the first of its channels, and how many there are.
    """

    sample: int
    start: int
    width: int


def _run(work: Callable[[Unit], None], x: torch.Tensor) -> None:
    """All units of x (S, L, E), with torch's number of threads."""
    num_samples, _, num_channels = x.shape
    share = -(-num_samples * num_channels // torch.get_num_threads())
    width = min(-(-share // _CHANNELS_STEP) * _CHANNELS_STEP, _MOST_CHANNELS)
    starts = range(0, num_channels, width)
    units = [
        Unit(sample, start, min(width, num_channels - start)) for sample in range(num_samples) for start in starts
    ]
    share_work(work, units)


def _kernel(name: str) -> Callable[..., None]:
    with COMPILING:
        return _compiled_kernels()[name]


@functools.cache
def _compiled_kernels() -> dict[str, Callable[..., None]]:
    functions = globals()
    functions.update(memory_functions())
    helpers, kernels = ("_load", "_store", "_ask_for"), ("_scan", "_apply_gate")
    # no "reassoc": it would cancel what rounds in `exp2`
    return compile_in_place(functions, helpers, kernels, {"contract", "nsz"}, inline="always")


def _load(array, sample, token, start, width, is_bfloat16, values, bits):
    """Some channels of a token to float32. `bits` is the same memory as `values`."""
    # No views of rows: to count who refers to them takes longer than the loops. `start` and `width` are unsigned: numba
    # looks whether a signed index counts from the end, and then there are no vector instructions.
    if is_bfloat16:
        for k in range(width):
            bits[k] = np.uint32(array[sample, token, start + k]) << np.uint32(16)
    else:
        for k in range(width):
            values[k] = array[sample, token, start + k]


def _store(array, sample, token, start, width, is_bfloat16, values, bits):
    """The other way round; rounds to the nearest, ties to even."""
    if is_bfloat16:
        for k in range(width):
            odd = (bits[k] >> np.uint32(16)) & np.uint32(1)
            array[sample, token, start + k] = np.uint16((bits[k] + np.uint32(0x7FFF) + odd) >> np.uint32(16))
    else:
        for k in range(width):
            array[sample, token, start + k] = values[k]


def _ask_for(array, sample, token, start, width):
    """Some channels of a token, which need not exist."""
    address = array.ctypes.data + sample * array.strides[0] + token * array.strides[1] + start * array.itemsize
    for byte in range(0, width * array.itemsize, _LINE_BYTES):
        prefetch(address + byte)


def _scan(x, dt, rates, B, C, D, sums, sample, start, width, is_bfloat16, is_backward):
    """Adds a unit of one direction to sums (L, width): x, dt (S, L, E), rates (N, E), B, C (S, L, N), D (E,)."""
    _, length, num_states = B.shape
    unit_size = sums.shape[1]  # it is `width`, but of a shape numba knows that it is not negative
    state = np.zeros((num_states, unit_size), np.float32)
    rate = rates[:, start : start + width].copy()
    skip = D[start : start + width].copy()
    step = np.zeros(unit_size, np.float32)
    u = np.zeros(unit_size, np.float32)
    out = np.zeros(unit_size, np.float32)
    first_channel, num_loaded = np.uint64(start), np.uint64(width)
    step_bits, u_bits = step.view(np.uint32), u.view(np.uint32)
    for index in range(length):
        token = length - 1 - index if is_backward else index
        ahead = token - _TOKENS_AHEAD if is_backward else token + _TOKENS_AHEAD
        _ask_for(dt, sample, ahead, start, width)
        _ask_for(x, sample, ahead, start, width)
        _load(dt, sample, token, first_channel, num_loaded, is_bfloat16, step, step_bits)
        _load(x, sample, token, first_channel, num_loaded, is_bfloat16, u, u_bits)
        # short loops, one after the other, become vector instructions
        for k in range(unit_size):
            step[k] = softplus(step[k])
            out[k] = sums[token, k] + skip[k] * u[k]
            u[k] *= step[k]
        for n in range(num_states):
            b, c = B[sample, token, n], C[sample, token, n]
            for k in range(unit_size):
                state[n, k] = state[n, k] * exp2(step[k] * rate[n, k]) + u[k] * b
                out[k] += c * state[n, k]
        for k in range(unit_size):
            sums[token, k] = out[k]


def _apply_gate(gate, sums, result, sample, start, width, is_bfloat16):
    """Writes a unit of sums (L, width) times silu(gate): gate, result (S, L, E)."""
    length, unit_size = sums.shape
    values = np.zeros(unit_size, np.float32)
    bits = values.view(np.uint32)
    first_channel, num_loaded = np.uint64(start), np.uint64(width)
    for token in range(length):
        _load(gate, sample, token, first_channel, num_loaded, is_bfloat16, values, bits)
        for k in range(unit_size):
            values[k] = silu(values[k])
        for k in range(unit_size):
            values[k] *= sums[token, k]
        _store(result, sample, token, first_channel, num_loaded, is_bfloat16, values, bits)
