# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
The inner part of a VideoMamba mixer on a GPU without gradients, as Triton kernels: what the scans need, the scans of both
directions, and the gate.

As on the CPU, tokens stay in memory as the projections write them: nothing is transposed, flipped or joined. Weights are read
where the modules hold them.

Symbols in the shape comments: S samples, L tokens, E channels, N states per channel, R rank of dt, T taps.
"""

from typing import Any, NamedTuple

import torch

from .triton_activations import softplus
from .triton_launch import Launcher
from .triton_scan import empty_ends, segments_of, walk_both_ways
from .triton_support import jit, tl, triton


# Of a program of the gate: 1024 numbers.
_TOKENS, _CHANNELS = 8, 128


class DirectionWeights(NamedTuple):
    """
    All of one dtype and contiguous, but for A_log and D, which may be of another.

    Args:
        conv_weight (`torch.Tensor` of shape `(E, 1, T)`), conv_bias (`torch.Tensor` of shape `(E,)`): of the convolution.
        x_weight (`torch.Tensor` of shape `(R + 2 N, E)`): of `x_proj`.
        dt_weight (`torch.Tensor` of shape `(E, R)`), dt_bias (`torch.Tensor` of shape `(E,)`): of `dt_proj`.
        A_log (`torch.Tensor` of shape `(E, N)`): log(-A).
        D (`torch.Tensor` of shape `(E,)`): from the input of the scan straight to its output.
    """

    conv_weight: torch.Tensor
    conv_bias: torch.Tensor
    x_weight: torch.Tensor
    dt_weight: torch.Tensor
    dt_bias: torch.Tensor
    A_log: torch.Tensor
    D: torch.Tensor


class MixerBuffers(NamedTuple):
    """What stands between the kernels of a mixer. The mixers of all layers can use the same."""

    x: torch.Tensor  # (2, S, L, E): after convolution and SiLU, of both directions, as all but the result
    steps: torch.Tensor  # (2, S, L, E): dt after its softplus, float32
    B: torch.Tensor  # (2, S, L, N): float32, a part of BC
    C: torch.Tensor
    BC: torch.Tensor  # (2, S, L, 2 N)
    y: torch.Tensor  # (2, S, L, E)
    ends: torch.Tensor
    result: torch.Tensor  # (S, L, E)
    segments: tuple[int, int]


def make_buffers(
    like: torch.Tensor, num_samples: int, length: int, num_channels: int, num_states: int
) -> MixerBuffers:
    """Of S, L, E and N, in the dtype and on the device of another tensor."""
    size = num_samples, length, num_channels
    segments = segments_of(2 * num_samples * num_channels, length)
    BC = like.new_empty(2, num_samples, length, 2 * num_states, dtype=torch.float32)
    return MixerBuffers(
        x=like.new_empty(2, *size),
        steps=like.new_empty(2, *size, dtype=torch.float32),
        B=BC[..., :num_states],
        C=BC[..., num_states:],
        BC=BC,
        y=like.new_empty(2, *size),
        ends=empty_ends(like, segments[0], 2 * num_samples * num_channels, num_states),
        result=like.new_empty(size),
        segments=segments,
    )


def mix(mixer: Any, hidden_states: torch.Tensor) -> torch.Tensor:
    """What stands between the first and the last projection of a VideoMamba mixer, with the first: (S, L, h) -> (S, L, E)."""
    projected = mixer.in_proj(hidden_states).contiguous()
    forward = DirectionWeights(
        *(mixer.conv1d.weight, mixer.conv1d.bias, mixer.x_proj.weight, mixer.dt_proj.weight, mixer.dt_proj.bias),
        *(mixer.A_log, mixer.D),
    )
    backward = DirectionWeights(
        *(mixer.conv1d_b.weight, mixer.conv1d_b.bias, mixer.x_proj_b.weight, mixer.dt_proj_b.weight),
        *(mixer.dt_proj_b.bias, mixer.A_b_log, mixer.D_b),
    )
    num_samples, length, _ = projected.shape
    buffers = make_buffers(projected, num_samples, length, *mixer.A_log.shape)
    with torch.cuda.device_of(projected):
        return scan_projected(projected, forward, backward, buffers)


def scan_projected(
    projected: torch.Tensor, forward: DirectionWeights, backward: DirectionWeights, buffers: MixerBuffers
) -> torch.Tensor:
    """
    The convolutions, projections, selective scans and the gate of both directions, on the current device.

    Args:
        projected (`torch.Tensor` of shape `(S, L, 2 E)`): of `in_proj`: x and the gate. At most 32 bits, in the dtype of the
            weights, contiguous.
        forward, backward ([`DirectionWeights`]): of the directions.
        buffers ([`MixerBuffers`]): of [`make_buffers`]; are written.

    Returns:
        `torch.Tensor` of shape `(S, L, E)`: what `out_proj` takes, `buffers.result`. Where the plain code rounds to the dtype
        of the weights, this rounds too, but inside of a convolution with its SiLU and of a gate.
    """
    num_samples, length, width = projected.shape
    num_channels, num_states = width // 2, forward.A_log.shape[1]
    rank = forward.dt_weight.shape[1]
    tokens, channels, num_warps, num_stages = _prepare_sizes(projected.dtype)
    _launch_prepare(
        (triton.cdiv(length, tokens), 2, num_samples),
        (projected, *forward[:5], *backward[:5], buffers.x, buffers.steps, buffers.BC),
        (length,),
        (
            *(num_channels, forward.conv_weight.shape[2], rank, num_states, max(16, triton.next_power_of_2(rank))),
            *(max(16, triton.next_power_of_2(2 * num_states)), tokens, channels),
        ),
        num_warps,
        num_stages,
    )
    walk_both_ways(
        buffers.x,
        buffers.steps,
        (forward.A_log, backward.A_log),
        buffers.B,
        buffers.C,
        (forward.D, backward.D),
        y=buffers.y,
        ends=buffers.ends,
        segments=buffers.segments,
    )
    _launch_gate(
        (num_samples, triton.cdiv(length, _TOKENS), triton.cdiv(num_channels, _CHANNELS)),
        (buffers.y, projected, buffers.result),
        (length,),
        (num_channels, _TOKENS, _CHANNELS),
        num_warps=4,
    )
    return buffers.result


def _prepare_sizes(dtype: torch.dtype) -> tuple[int, int, int, int]:
    """Tokens of a program, channels that it takes at once, warps and stages of [`_prepare_kernel`]."""
    return (16, 32, 4, 1) if dtype == torch.float32 else (16, 128, 8, 2)


@jit
def _silu(x):
    # exp may overflow: x / inf is 0 as well
    return x / (1.0 + tl.exp(-x))


@jit
def _prepare_kernel(
    projected_pointer,  # (samples, tokens, 2 E): x and gate
    conv_weight_pointer,  # (E, TAPS)
    conv_bias_pointer,
    x_weight_pointer,  # (RANK + 2 N, E)
    dt_weight_pointer,  # (E, RANK)
    dt_bias_pointer,
    reversed_conv_weight_pointer,  # of the direction in which a token sees those after it
    reversed_conv_bias_pointer,
    reversed_x_weight_pointer,
    reversed_dt_weight_pointer,
    reversed_dt_bias_pointer,
    x_pointer,  # (2, samples, tokens, E), written
    steps_pointer,  # (2, samples, tokens, E), written
    BC_pointer,  # (2, samples, tokens, 2 N), written
    length,
    E: tl.constexpr,
    TAPS: tl.constexpr,
    RANK: tl.constexpr,
    N: tl.constexpr,
    PADDED_RANK: tl.constexpr,
    PADDED_COLUMNS: tl.constexpr,  # at least 2 N
    T: tl.constexpr,
    K: tl.constexpr,
):
    """Convolution, SiLU, `x_proj`, `dt_proj` and softplus of T tokens in one direction, K channels at a time."""
    token = tl.program_id(0) * T + tl.arange(0, T)
    direction, sample = tl.program_id(1), tl.program_id(2)
    is_token = token < length
    ahead = -1
    if direction > 0:
        ahead = 1
        conv_weight_pointer, conv_bias_pointer = reversed_conv_weight_pointer, reversed_conv_bias_pointer
        x_weight_pointer, dt_weight_pointer = reversed_x_weight_pointer, reversed_dt_weight_pointer
        dt_bias_pointer = reversed_dt_bias_pointer
    projected_pointer += tl.cast(sample, tl.int64) * length * (2 * E)
    row = (tl.cast(direction, tl.int64) * tl.num_programs(2) + sample) * length + token
    dtype = x_pointer.dtype.element_ty
    rank, column = tl.arange(0, PADDED_RANK), tl.arange(0, PADDED_COLUMNS)
    low = tl.zeros((T, PADDED_RANK), tl.float32)
    matrices = tl.zeros((T, PADDED_COLUMNS), tl.float32)
    for first in range(0, E, K):
        channel = first + tl.arange(0, K)
        is_channel = channel < E
        bias = tl.load(conv_bias_pointer + channel, mask=is_channel, other=0.0).to(tl.float32)
        convolved = bias[None, :] + tl.zeros((T, K), tl.float32)
        for tap in tl.static_range(TAPS):
            seen = token + ahead * (TAPS - 1 - tap)
            is_seen = (seen >= 0) & (seen < length)
            x = tl.load(
                projected_pointer + seen.to(tl.int64)[:, None] * (2 * E) + channel[None, :],
                mask=is_seen[:, None] & is_channel[None, :],
                other=0.0,
            )
            weight = tl.load(conv_weight_pointer + channel * TAPS + tap, mask=is_channel, other=0.0)
            convolved += x.to(tl.float32) * weight.to(tl.float32)[None, :]
        # the sum of one number: a thread that needs others in the product gets them, and does not compute them again
        x = tl.sum(_silu(convolved)[:, :, None], axis=2).to(dtype)
        tl.store(x_pointer + row[:, None] * E + channel[None, :], x, mask=is_token[:, None] & is_channel[None, :])
        weight = tl.load(
            x_weight_pointer + rank[None, :] * E + channel[:, None],
            mask=is_channel[:, None] & (rank < RANK)[None, :],
            other=0.0,
        )
        low = tl.dot(x, weight, low, input_precision="ieee")
        weight = tl.load(
            x_weight_pointer + (RANK + column)[None, :] * E + channel[:, None],
            mask=is_channel[:, None] & (column < 2 * N)[None, :],
            other=0.0,
        )
        matrices = tl.dot(x, weight, matrices, input_precision="ieee")

    tl.store(
        BC_pointer + row[:, None] * (2 * N) + column[None, :],
        matrices.to(dtype).to(tl.float32),
        mask=is_token[:, None] & (column < 2 * N)[None, :],
    )
    low = low.to(dtype)
    for first in range(0, E, K):
        channel = first + tl.arange(0, K)
        is_channel = channel < E
        weight = tl.load(
            dt_weight_pointer + channel[None, :] * RANK + rank[:, None],
            mask=is_channel[None, :] & (rank < RANK)[:, None],
            other=0.0,
        )
        bias = tl.load(dt_bias_pointer + channel, mask=is_channel, other=0.0).to(tl.float32)
        dt = tl.dot(low, weight, input_precision="ieee") + bias[None, :]
        tl.store(
            steps_pointer + row[:, None] * E + channel[None, :],
            softplus(dt.to(dtype).to(tl.float32)),
            mask=is_token[:, None] & is_channel[None, :],
        )


@jit
def _gate_kernel(
    y_pointer,  # (2, samples, tokens, E)
    projected_pointer,  # (samples, tokens, 2 E): x and gate
    result_pointer,  # (samples, tokens, E), written
    length,
    E: tl.constexpr,
    T: tl.constexpr,
    K: tl.constexpr,
):
    token = tl.program_id(1) * T + tl.arange(0, T)[:, None]
    channel = tl.program_id(2) * K + tl.arange(0, K)[None, :]
    mask = (token < length) & (channel < E)
    row = tl.program_id(0).to(tl.int64) * length + token
    offsets = row * E + channel
    y = tl.load(y_pointer + offsets, mask=mask, other=0.0).to(tl.float32)
    other_way = tl.num_programs(0).to(tl.int64) * length * E
    y += tl.load(y_pointer + other_way + offsets, mask=mask, other=0.0).to(tl.float32)
    gate = tl.load(projected_pointer + row * (2 * E) + E + channel, mask=mask, other=0.0).to(tl.float32)
    tl.store(result_pointer + offsets, (y * _silu(gate)).to(result_pointer.dtype.element_ty), mask=mask)


_launch_prepare, _launch_gate = Launcher(_prepare_kernel), Launcher(_gate_kernel)
