# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
Element-wise ops of a transformer on CPU without gradients, compiled by numba. PyTorch makes each of these of several operations,
and each of them reads and writes the values of all tokens in memory.

Results are rounded to bfloat16 where transformers' modules do it.

Symbols in the shape comments: T tokens, W values of a token.
"""

import math

import numpy as np
import torch

from .numba_compile import CompiledFunctions, sigmoid, silu
from .numba_intrinsics import shared_array, widen
from .threads import share_work


_PARTS_PER_THREAD = 4  # so that none waits long for another that was interrupted
_TANH_SCALE, _TANH_CUBE = np.float32(2 * math.sqrt(2 / math.pi)), np.float32(0.044715)
_MOST_VALUES_ALONE = 1 << 17  # other threads would come when these are done


def add_and_normalize(
    hidden_states: torch.Tensor, update: torch.Tensor | None, weight: torch.Tensor, epsilon: float
) -> torch.Tensor:
    """
    Adds to hidden states, in place, and normalizes them as Qwen2's RMSNorm does.

    Args:
        hidden_states (`torch.Tensor` of shape `(..., W)`): contiguous, float32 or bfloat16.
        update (`torch.Tensor` of shape `(..., W)`, *optional*): likewise.
        weight (`torch.Tensor` of shape `(W,)`): likewise.
        epsilon (`float`): is added to the mean of squares.

    Returns:
        `torch.Tensor` of shape `(..., W)`: the normalized ones, in the dtype of `weight`.
    """
    result = torch.empty_like(hidden_states, dtype=weight.dtype)
    update = hidden_states.new_empty(0, hidden_states.shape[-1]) if update is None else update
    arrays = tuple(_by_token(tensor) for tensor in (hidden_states, update, result))
    # a copy: what NumPy has seen cannot be resized, as FSDP does
    scales = weight.detach().to(torch.float32, copy=True).numpy()
    _share_tokens("_normalize", (*arrays, scales, np.float32(epsilon)), len(arrays[0]))
    return result


def silu_times(gate: torch.Tensor, up: torch.Tensor) -> torch.Tensor:
    """
    silu(gate) * up, in the place of `gate`.

    Args:
        gate, up (`torch.Tensor` of shape `(..., W)`): contiguous, float32 or bfloat16.
    """
    arrays = _by_token(gate), _by_token(up)
    _share_tokens("_silu_times", arrays, len(arrays[0]))
    return gate


def quick_gelu(x: torch.Tensor) -> torch.Tensor:
    """
    x * sigmoid(1.702 x), CLIP's activation.

    Args:
        x (`torch.Tensor` of shape `(..., W)`): float32 or bfloat16.
    """
    x = x.contiguous()
    result = torch.empty_like(x)
    arrays = _by_token(x), _by_token(result)
    _share_tokens("_quick_gelu", arrays, len(arrays[0]))
    return result


def gelu_tanh(x: torch.Tensor) -> torch.Tensor:
    """
    x * sigmoid(2 u) with u = sqrt(2 / pi) (x + 0.044715 x^3), SigLIP's activation: the GELU with a hyperbolic tangent.

    Args:
        x (`torch.Tensor` of shape `(..., W)`): float32 or bfloat16.
    """
    x = x.contiguous()
    result = torch.empty_like(x)
    arrays = _by_token(x), _by_token(result)
    _share_tokens("_gelu_tanh", arrays, len(arrays[0]))
    return result


def _by_token(tensor: torch.Tensor) -> np.ndarray:
    """(..., W) -> (T, W)"""
    return shared_array(tensor.view(-1, tensor.shape[-1]))


def _share_tokens(name: str, arrays: tuple, num_tokens: int) -> None:
    kernel = getattr(_compiled, name)
    if arrays[0].size <= _MOST_VALUES_ALONE:
        kernel(*arrays, 0, num_tokens)
        return
    size = -(-num_tokens // (_PARTS_PER_THREAD * torch.get_num_threads()))
    share_work(lambda first: kernel(*arrays, first, min(first + size, num_tokens)), range(0, num_tokens, size))


def _rounded(like, value):
    """To the nearest value of a dtype, ties to even."""
    if like.itemsize == 2:
        bits = np.float32(value).view(np.uint32)
        odd = (bits >> np.uint32(16)) & np.uint32(1)
        # a NaN of all ones would overflow
        half = np.uint32(0) if value != value else np.uint32(np.uint32(0x7FFF) + odd)
        return np.uint32((bits + half) & np.uint32(0xFFFF0000)).view(np.float32)
    return value


def _write(array, token, values):
    """The values of a token, rounded, in place as well."""
    if array.itemsize == 2:
        bits = values.view(np.uint32)
        for k in range(values.size):
            values[k] = _rounded(array, values[k])
        for k in range(values.size):
            array[token, k] = bits[k] >> np.uint32(16)
    else:
        for k in range(values.size):
            array[token, k] = values[k]


def _normalize(hidden, update, result, scales, epsilon, first, last):
    """Tokens from `first` to before `last`; update is (T, W) or (0, W)."""
    values = np.empty(scales.size, np.float32)
    for token in range(first, last):
        for k in range(values.size):
            values[k] = widen(hidden[token, k])
        if update.shape[0] > 0:
            for k in range(values.size):
                values[k] += widen(update[token, k])
            _write(hidden, token, values)
        square = np.float32(0)
        for k in range(values.size):
            square += values[k] * values[k]
        factor = np.float32(1) / np.sqrt(square / np.float32(values.size) + epsilon)
        for k in range(values.size):
            values[k] = _rounded(hidden, values[k] * factor) * scales[k]
        _write(result, token, values)


def _silu_times(gate, up, first, last):
    values = np.empty(gate.shape[1], np.float32)
    for token in range(first, last):
        for k in range(values.size):
            values[k] = silu(widen(gate[token, k]))
        for k in range(values.size):
            values[k] = _rounded(gate, values[k]) * widen(up[token, k])
        _write(gate, token, values)


def _quick_gelu(x, result, first, last):
    values = np.empty(x.shape[1], np.float32)
    for token in range(first, last):
        for k in range(values.size):
            values[k] = sigmoid(_rounded(x, np.float32(1.702) * widen(x[token, k])))
        for k in range(values.size):
            values[k] = _rounded(x, values[k]) * widen(x[token, k])
        _write(result, token, values)


def _gelu_tanh(x, result, first, last):
    values = np.empty(x.shape[1], np.float32)
    for token in range(first, last):
        for k in range(values.size):
            value = widen(x[token, k])
            values[k] = value * sigmoid(_TANH_SCALE * value * (np.float32(1) + _TANH_CUBE * value * value))
        _write(result, token, values)


# "reassoc": a sum runs in as many parts as a vector register has
_compiled = CompiledFunctions(
    (_normalize, _silu_times, _quick_gelu, _gelu_tanh),
    (_rounded, _write),
    fastmath={"contract", "nsz", "reassoc"},
    inline="always",
)
