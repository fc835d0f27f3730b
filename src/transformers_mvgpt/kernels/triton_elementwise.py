# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
Element-wise ops of a transformer on a GPU without gradients, as Triton kernels. PyTorch makes each of these of several kernels,
and each of them reads and writes the values of all tokens in memory.

Results are rounded to 16 bits where transformers' modules do it; everything else is computed in float32. The tensors are on the
current device.

Symbols in the shape comments: B samples, L tokens, W values of a token, H heads of queries, G heads of keys and values, D width of a head.
"""

import torch

from .triton_activations import sigmoid
from .triton_launch import Launcher
from .triton_support import jit, tl


# Of a program, where tokens do not matter. These sizes were fastest on an H200.
_VALUES, _NUM_WARPS = 2048, 4
# Of a norm.
_VALUES_PER_WARP = 1024


def add_and_normalize(
    hidden_states: torch.Tensor, update: torch.Tensor | None, weight: torch.Tensor, epsilon: float
) -> torch.Tensor:
    """
    Adds to hidden states, in place, and normalizes them as Qwen2's RMSNorm does; those of float32 with a weight of another dtype
    as VideoMamba's.

    Args:
        hidden_states (`torch.Tensor` of shape `(..., W)`): contiguous, of at most 32 bits.
        update (`torch.Tensor` of shape `(..., W)`, *optional*): likewise.
        weight (`torch.Tensor` of shape `(W,)`): likewise.
        epsilon (`float`): is added to the mean of squares.

    Returns:
        `torch.Tensor` of shape `(..., W)`: the normalized ones, in the dtype of `weight`.

    Raises:
        ValueError: if the shapes do not fit together.
    """
    return _normalize(hidden_states, update, weight, None, epsilon)


def add_and_layer_norm(
    hidden_states: torch.Tensor,
    update: torch.Tensor | None,
    weight: torch.Tensor,
    bias: torch.Tensor,
    epsilon: float,
) -> torch.Tensor:
    """
    Adds to hidden states, in place, and normalizes them as `torch.nn.LayerNorm` does.

    Args:
        hidden_states (`torch.Tensor` of shape `(..., W)`): contiguous, of at most 32 bits.
        update (`torch.Tensor` of shape `(..., W)`, *optional*): likewise.
        weight, bias (`torch.Tensor` of shape `(W,)`): likewise.
        epsilon (`float`): is added to the variance.

    Returns:
        `torch.Tensor` of shape `(..., W)`: the normalized ones, in the dtype of `weight`.

    Raises:
        ValueError: if the shapes do not fit together.
    """
    return _normalize(hidden_states, update, weight, bias, epsilon)


def _normalize(
    hidden_states: torch.Tensor,
    update: torch.Tensor | None,
    weight: torch.Tensor,
    bias: torch.Tensor | None,
    epsilon: float,
) -> torch.Tensor:
    width = weight.shape[0]
    block = _power_of_2(width)
    if hidden_states.shape[-1] != width or (update is not None and update.shape != hidden_states.shape):
        raise ValueError(
            f"A norm of {width} values cannot add {None if update is None else tuple(update.shape)} to hidden states of the shape "
            f"{tuple(hidden_states.shape)}: the shapes must be the same."
        )
    result = torch.empty_like(hidden_states, dtype=weight.dtype)
    others = (hidden_states if update is None else update, weight, weight if bias is None else bias, result)
    _launch_normalize(
        (result.numel() // width, 1, 1),
        (hidden_states, *others),
        (epsilon,),
        (update is not None, bias is not None, width, block),
        min(16, max(1, block // _VALUES_PER_WARP)),
    )
    return result


def silu_times(gate: torch.Tensor, up: torch.Tensor) -> torch.Tensor:
    """
    silu(gate) * up, in the place of `gate`.

    Args:
        gate, up (`torch.Tensor` of shape `(..., W)`): contiguous, of at most 32 bits.

    Raises:
        ValueError: if their shapes are not the same.
    """
    if gate.shape != up.shape:
        raise ValueError(f"gate {tuple(gate.shape)} and up {tuple(up.shape)} must have the same shape.")
    size = gate.numel()
    _launch_silu_times((-(-size // _VALUES), 1, 1), (gate, up), (size,), (_VALUES,), _NUM_WARPS)
    return gate


def quick_gelu(x: torch.Tensor) -> torch.Tensor:
    """
    x * sigmoid(1.702 x), CLIP's activation.

    Args:
        x (`torch.Tensor` of shape `(..., W)`): of at most 32 bits.
    """
    x = x.contiguous()
    result, size = torch.empty_like(x), x.numel()
    _launch_quick_gelu((-(-size // _VALUES), 1, 1), (x, result), (size,), (_VALUES,), _NUM_WARPS)
    return result


def rotate(
    queries: torch.Tensor,
    keys: torch.Tensor,
    values: torch.Tensor,
    cosine: torch.Tensor,
    sine: torch.Tensor,
    rotated_keys: torch.Tensor,
    ordered_values: torch.Tensor,
) -> None:
    """
    Rotary embedding, of queries in place, and keys and values in the order of attention.

    Args:
        queries (`torch.Tensor` of shape `(B, L, H * D)`): contiguous, of at most 32 bits, as a projection returns them; are
            rotated in place. Attention takes them as a view.
        keys, values (`torch.Tensor` of shape `(B, L, G * D)`): likewise; are only read.
        cosine, sine (`torch.Tensor` of shape `(B, L, D)` or `(1, L, D)`): contiguous, of the same dtype.
        rotated_keys, ordered_values (`torch.Tensor` of shape `(B, G, L, D)`): of the same dtype, strided alike, tokens of a head
            one after the other; are written.

    Raises:
        ValueError: if the shapes do not fit together.
    """
    batch_size, num_key_heads, length, head_width = rotated_keys.shape
    num_heads = queries.shape[-1] // head_width
    needed_shapes = (batch_size, length, num_heads * head_width), (batch_size, length, num_key_heads * head_width)
    if queries.shape != needed_shapes[0] or keys.shape != needed_shapes[1] or values.shape != needed_shapes[1]:
        raise ValueError(
            f"queries, keys and values have the shapes {[tuple(x.shape) for x in (queries, keys, values)]}, but with rotated keys "
            f"{tuple(rotated_keys.shape)} they must be {needed_shapes[0]}, {needed_shapes[1]} and {needed_shapes[1]}."
        )
    if cosine.shape not in ((1, length, head_width), (batch_size, length, head_width)) or sine.shape != cosine.shape:
        raise ValueError(
            f"cosine {tuple(cosine.shape)} and sine {tuple(sine.shape)} must have the shape (1 or {batch_size}, {length}, {head_width})."
        )
    blocks = (_power_of_2(num_heads), _power_of_2(num_key_heads), _power_of_2(head_width // 2))
    _launch_rotate(
        (queries.numel() // queries.shape[-1], 1, 1),
        (queries, keys, values, cosine, sine, rotated_keys, ordered_values),
        (length, 0 if cosine.shape[0] == 1 else length, rotated_keys.stride(0), rotated_keys.stride(1)),
        (num_heads, num_key_heads, head_width, *blocks),
        _NUM_WARPS,
    )


def _power_of_2(size: int) -> int:
    """The next one."""
    return 1 << (size - 1).bit_length()


@jit
def _rounded(value, like_pointer):
    """To the nearest value of a tensor's dtype."""
    return value.to(like_pointer.dtype.element_ty).to(tl.float32)


@jit
def _normalize_kernel(
    hidden_pointer,  # (tokens, W), read, and written where HAS_UPDATE
    update_pointer,  # (tokens, W)
    weight_pointer,
    bias_pointer,
    result_pointer,  # (tokens, W), written
    epsilon,
    HAS_UPDATE: tl.constexpr,
    IS_LAYER_NORM: tl.constexpr,
    W: tl.constexpr,
    K: tl.constexpr,
):
    k = tl.arange(0, K)
    mask = k < W
    offsets = tl.program_id(0).to(tl.int64) * W + k
    x = tl.load(hidden_pointer + offsets, mask=mask, other=0.0).to(tl.float32)
    if HAS_UPDATE:
        x += tl.load(update_pointer + offsets, mask=mask, other=0.0).to(tl.float32)
        stored = x.to(hidden_pointer.dtype.element_ty)
        tl.store(hidden_pointer + offsets, stored, mask=mask)
        x = stored.to(tl.float32)
    weight = tl.load(weight_pointer + k, mask=mask, other=0.0).to(tl.float32)
    if IS_LAYER_NORM:
        x -= tl.sum(x, axis=0) / W
        x = tl.where(mask, x, 0.0)
        x *= tl.rsqrt(tl.sum(x * x, axis=0) / W + epsilon)
        x = x * weight + tl.load(bias_pointer + k, mask=mask, other=0.0).to(tl.float32)
    else:
        x *= tl.rsqrt(tl.sum(x * x, axis=0) / W + epsilon)
        x = _rounded(x, hidden_pointer) * weight
    tl.store(result_pointer + offsets, x.to(result_pointer.dtype.element_ty), mask=mask)


@jit
def _silu_times_kernel(gate_pointer, up_pointer, size, K: tl.constexpr):
    """`gate` is written."""
    offsets = tl.program_id(0).to(tl.int64) * K + tl.arange(0, K)
    mask = offsets < size
    gate = tl.load(gate_pointer + offsets, mask=mask, other=0.0).to(tl.float32)
    up = tl.load(up_pointer + offsets, mask=mask, other=0.0).to(tl.float32)
    result = _rounded(gate * sigmoid(gate), gate_pointer) * up
    tl.store(gate_pointer + offsets, result.to(gate_pointer.dtype.element_ty), mask=mask)


@jit
def _quick_gelu_kernel(x_pointer, result_pointer, size, K: tl.constexpr):
    """`result` is written."""
    offsets = tl.program_id(0).to(tl.int64) * K + tl.arange(0, K)
    mask = offsets < size
    x = tl.load(x_pointer + offsets, mask=mask, other=0.0).to(tl.float32)
    result = _rounded(sigmoid(_rounded(1.702 * x, x_pointer)), x_pointer) * x
    tl.store(result_pointer + offsets, result.to(result_pointer.dtype.element_ty), mask=mask)


@jit
def _rotated(low, high, low_cosine, low_sine, high_cosine, high_sine, pointer):
    """Both halves of heads, each product rounded."""
    first = _rounded(low * low_cosine, pointer) - _rounded(high * low_sine, pointer)
    second = _rounded(high * high_cosine, pointer) + _rounded(low * high_sine, pointer)
    return first.to(pointer.dtype.element_ty), second.to(pointer.dtype.element_ty)


@jit
def _rotate_kernel(
    queries_pointer,  # (samples, tokens, H, D), read and written
    keys_pointer,  # (samples, tokens, G, D), as values
    values_pointer,
    cosine_pointer,  # (samples, tokens, D), or of one sample for all
    sine_pointer,
    rotated_keys_pointer,  # (samples, G, tokens, D), as ordered values; written
    ordered_values_pointer,
    length,
    cosine_tokens,  # between one sample and the next
    out_sample,
    out_head,
    H: tl.constexpr,
    G: tl.constexpr,
    D: tl.constexpr,
    H_BLOCK: tl.constexpr,
    G_BLOCK: tl.constexpr,
    HALF: tl.constexpr,
):
    row = tl.program_id(0).to(tl.int64)
    sample, token = row // length, row % length
    k = tl.arange(0, HALF)[None, :]
    is_k = k < D // 2
    angles = (sample * cosine_tokens + token) * D + k
    low_cosine = tl.load(cosine_pointer + angles, mask=is_k, other=0.0).to(tl.float32)
    low_sine = tl.load(sine_pointer + angles, mask=is_k, other=0.0).to(tl.float32)
    high_cosine = tl.load(cosine_pointer + angles + D // 2, mask=is_k, other=0.0).to(tl.float32)
    high_sine = tl.load(sine_pointer + angles + D // 2, mask=is_k, other=0.0).to(tl.float32)

    head = tl.arange(0, H_BLOCK)[:, None]
    mask = (head < H) & is_k
    places = queries_pointer + row * (H * D) + head * D + k
    low = tl.load(places, mask=mask, other=0.0).to(tl.float32)
    high = tl.load(places + D // 2, mask=mask, other=0.0).to(tl.float32)
    low, high = _rotated(low, high, low_cosine, low_sine, high_cosine, high_sine, queries_pointer)
    tl.store(places, low, mask=mask)
    tl.store(places + D // 2, high, mask=mask)

    head = tl.arange(0, G_BLOCK)[:, None]
    mask = (head < G) & is_k
    places = row * (G * D) + head * D + k
    low = tl.load(keys_pointer + places, mask=mask, other=0.0).to(tl.float32)
    high = tl.load(keys_pointer + places + D // 2, mask=mask, other=0.0).to(tl.float32)
    low_value = tl.load(values_pointer + places, mask=mask)
    high_value = tl.load(values_pointer + places + D // 2, mask=mask)
    low, high = _rotated(low, high, low_cosine, low_sine, high_cosine, high_sine, keys_pointer)
    places = sample * out_sample + head.to(tl.int64) * out_head + token * D + k
    tl.store(rotated_keys_pointer + places, low, mask=mask)
    tl.store(rotated_keys_pointer + places + D // 2, high, mask=mask)
    tl.store(ordered_values_pointer + places, low_value, mask=mask)
    tl.store(ordered_values_pointer + places + D // 2, high_value, mask=mask)


_launch_normalize = Launcher(_normalize_kernel)
_launch_silu_times = Launcher(_silu_times_kernel)
_launch_quick_gelu = Launcher(_quick_gelu_kernel)
_launch_rotate = Launcher(_rotate_kernel)
