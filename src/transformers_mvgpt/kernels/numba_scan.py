# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
The forward recurrence of the selective scan on CPU, compiled by numba, which needs no compiler on the machine.

A thread takes some channels through all tokens: their states stay in its first cache, where plain PyTorch writes and reads
every state of every token.

Symbols in the shape comments: S samples, L tokens, G groups, K channels per group, N states per channel.
"""

import functools
import importlib
import importlib.util
import math
import os
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import torch

from .threads import share_work


# It is imported when it is needed.
has_numba = os.environ.get("MVGPT_DISABLE_NUMBA", "0") in ("", "0") and importlib.util.find_spec("numba") is not None

_CHANNELS_PER_UNIT = 64
_LOWEST, _HIGHEST = np.float32(-126), np.float32(127)  # exponents of 2 in float32
# exp2(f) for |f| <= 1/2, the Taylor series: its relative error is that of float32.
_C1, _C2, _C3, _C4, _C5, _C6 = (np.float32(math.log(2) ** n / math.factorial(n)) for n in range(1, 7))


def scan_on_cpu(
    x: torch.Tensor,
    dt: torch.Tensor,
    A: torch.Tensor,
    B: torch.Tensor,
    C: torch.Tensor,
    D: torch.Tensor,
    y: torch.Tensor,
    saved_states: torch.Tensor,
    tokens_per_block: int,
) -> None:
    """
    Writes what the arguments of the same names say in `recurrence`; all of float32.

    Args:
        x, dt (`torch.Tensor` of shape `(S, L, G, K)`): as there, but `dt` after the softplus.
        A, B, C, D: as there.
        y (`torch.Tensor` of shape `(S, L, G, K)`): written.
        saved_states (`torch.Tensor` of shape `(num_blocks, S, G, N, K)`): written: the states before each block of tokens.
            No blocks, and none are.
        tokens_per_block (`int`): length of a block.
    """
    arrays = [tensor.detach().contiguous().numpy() for tensor in (x, dt, A * math.log2(math.e), B, C, D)]
    outputs = y.numpy(), saved_states.numpy()
    num_samples, _, num_groups, num_channels = x.shape
    num_units = num_samples * num_groups * -(-num_channels // _CHANNELS_PER_UNIT)
    num_threads = min(torch.get_num_threads(), num_units)
    edges = [num_units * index // num_threads for index in range(num_threads + 1)]
    kernel = _compiled_kernel()
    share_work(lambda share: kernel(*arrays, *outputs, tokens_per_block, *share), pairwise(edges))


@functools.cache
def _compiled_kernel() -> Callable[..., None]:
    numba = importlib.import_module("numba")  # an import statement would make it a requirement of the remote code
    options = {"nogil": True, "error_model": "numpy", "fastmath": {"contract", "reassoc", "nsz"}}
    try:
        return numba.njit(_scan, cache=True, **options)
    except RuntimeError:  # there is no place for a cache
        return numba.njit(_scan, **options)


def _scan(x, dt, A, B, C, D, y, saved_states, tokens_per_block, first, last):
    """Takes the units from `first` to before `last`, `_CHANNELS_PER_UNIT` channels of a group of a sample each."""
    _, length, num_groups, num_channels = x.shape
    num_states = A.shape[1]
    units_per_group = (num_channels + _CHANNELS_PER_UNIT - 1) // _CHANNELS_PER_UNIT
    state = np.empty((num_states, _CHANNELS_PER_UNIT), np.float32)
    rates = np.empty((num_states, _CHANNELS_PER_UNIT), np.float32)
    step = np.zeros(_CHANNELS_PER_UNIT, np.float32)
    u = np.zeros(_CHANNELS_PER_UNIT, np.float32)
    out = np.zeros(_CHANNELS_PER_UNIT, np.float32)
    fraction = np.empty(_CHANNELS_PER_UNIT, np.float32)
    bits = np.empty(_CHANNELS_PER_UNIT, np.int32)
    power = bits.view(np.float32)
    for unit in range(first, last):
        sample = unit // (num_groups * units_per_group)
        group = unit // units_per_group % num_groups
        start = unit % units_per_group * _CHANNELS_PER_UNIT
        width = min(_CHANNELS_PER_UNIT, num_channels - start)
        state[:] = 0
        rates[:] = 0
        rates[:, :width] = A[group, :, start : start + width]
        for token in range(length):
            if len(saved_states) and token % tokens_per_block == 0:
                saved_states[token // tokens_per_block, sample, group, :, start : start + width] = state[:, :width]
            for k in range(width):
                step[k] = dt[sample, token, group, start + k]
                u[k] = step[k] * x[sample, token, group, start + k]
                out[k] = D[group, start + k] * x[sample, token, group, start + k]
            for n in range(num_states):
                b, c = B[sample, group, token, n], C[sample, group, token, n]
                # loops of full width, one after the other, become vector instructions
                for k in range(_CHANNELS_PER_UNIT):
                    exponent = min(max(step[k] * rates[n, k], _LOWEST), _HIGHEST)
                    whole = np.floor(exponent + np.float32(0.5))
                    f = exponent - whole
                    series = _C1 + f * (_C2 + f * (_C3 + f * (_C4 + f * (_C5 + f * _C6))))
                    fraction[k] = np.float32(1) + f * series
                    bits[k] = (np.int32(whole) + np.int32(127)) << np.int32(23)  # of 2 ** whole
                for k in range(_CHANNELS_PER_UNIT):
                    state[n, k] = state[n, k] * (fraction[k] * power[k]) + u[k] * b
                    out[k] += c * state[n, k]
            for k in range(width):
                y[sample, token, group, start + k] = out[k]
