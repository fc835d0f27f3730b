# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
The Triton kernel of the selective scan's backward pass, and what it shares with the forward one.

One program takes K channels of a group through all tokens of a sample, T tokens at a time. Inside such a block the
recurrence h_t = a_t h_{t-1} + b_t is an associative scan of pairs (a, b): applying one step after another is again a step,

    (a_1, b_1) then (a_2, b_2)  =  (a_1 a_2, a_2 b_1 + b_2)

and the state before the block enters with the product of the decays. All a are exp(dt A) <= 1: nothing overflows.
Tokens, channels and states beyond the end get dt = 0, B = C = 0: a decay of 1 and nothing added.

Symbols in the shape comments: T tokens of a block, K channels of a program, N states per channel. Everything is
computed in float32.
"""

from .triton_support import jit, tl


@jit
def _then(decay_1, state_1, decay_2, state_2):
    return decay_1 * decay_2, decay_2 * state_1 + state_2


@jit
def sigmoid(x):
    # of -|x|, so that exp cannot overflow
    small = tl.exp(-tl.abs(x))
    return tl.where(x >= 0, 1.0, small) / (1.0 + small)


@jit
def softplus(x):
    """
    max(x, 0) + log(1 + v) with v = exp(-|x|), where log(1 + v) = 2 (s + s³/3 + s⁵/5 + ...) with s = v / (2 + v) <= 1/3.
    A logarithm of 1 + v would round small v, and with them small time steps, away.
    """
    v = tl.exp(-tl.abs(x))
    s = v / (2.0 + v)
    s2 = s * s
    series = 1.0 / 13 + s2 * (1.0 / 15)
    series = 1.0 / 9 + s2 * (1.0 / 11 + s2 * series)
    series = 1.0 + s2 * (1.0 / 3 + s2 * (1.0 / 5 + s2 * (1.0 / 7 + s2 * series)))
    return tl.maximum(x, 0.0) + 2.0 * s * series


@jit
def _load_channels(pointer, sample, stride_sample, stride_channel, stride_token, token, channel, mask):
    """(T, K) of a (samples, channels, tokens) tensor with any strides."""
    offsets = token.to(tl.int64)[:, None] * stride_token + channel.to(tl.int64)[None, :] * stride_channel
    return tl.load(pointer + sample * stride_sample + offsets, mask=mask, other=0.0).to(tl.float32)


@jit
def _load_states(pointer, row, length, num_states, token, state, is_token):
    """(T, N) of a contiguous (samples, groups, tokens, states) tensor, where row is the sample's and group's number."""
    offsets = (row * length + token.to(tl.int64)[:, None]) * num_states + state[None, :]
    mask = is_token[:, None] & (state < num_states)[None, :]
    return tl.load(pointer + offsets, mask=mask, other=0.0).to(tl.float32)


@jit
def backward_kernel(
    grad_y_pointer,
    x_pointer,
    dt_pointer,
    z_pointer,
    A_pointer,  # (channels, states), times log2(e)
    B_pointer,
    C_pointer,
    D_pointer,
    bias_pointer,
    states_pointer,
    grad_x_pointer,  # (samples, tokens, channels), written, as those of dt and z
    grad_dt_pointer,
    grad_z_pointer,
    grad_A_pointer,  # (samples, channels, states), written: the part of each sample
    grad_B_pointer,  # (programs of a group, samples, groups, tokens, states), written: the part of each program
    grad_C_pointer,
    grad_D_pointer,  # (samples, channels), written
    grad_bias_pointer,
    length,
    channels_per_group,
    num_states,
    y_sample,
    y_channel,
    y_token,
    x_sample,
    x_channel,
    x_token,
    dt_sample,
    dt_channel,
    dt_token,
    z_sample,
    z_channel,
    z_token,
    HAS_GATE: tl.constexpr,
    T: tl.constexpr,
    K: tl.constexpr,
    N: tl.constexpr,
):
    sample, group = tl.program_id(0).to(tl.int64), tl.program_id(1)
    num_samples, num_groups = tl.num_programs(0), tl.num_programs(1)
    num_channels = num_groups * channels_per_group
    channel_of_group = tl.program_id(2) * K + tl.arange(0, K)
    is_channel = channel_of_group < channels_per_group
    channel = group * channels_per_group + channel_of_group
    position, n = tl.arange(0, T), tl.arange(0, N)
    A_offsets = channel[:, None] * num_states + n[None, :]
    A_mask = is_channel[:, None] & (n < num_states)[None, :]
    A = tl.load(A_pointer + A_offsets, mask=A_mask, other=0.0)  # (K, N)
    D = tl.load(D_pointer + channel, mask=is_channel, other=0.0)
    bias = tl.load(bias_pointer + channel, mask=is_channel, other=0.0)
    matrix = sample * num_groups + group
    part = tl.program_id(2) * num_samples * num_groups + matrix

    grad_A, grad_from_later = tl.zeros((K, N), dtype=tl.float32), tl.zeros((K, N), dtype=tl.float32)
    grad_D, grad_bias = tl.zeros((K,), dtype=tl.float32), tl.zeros((K,), dtype=tl.float32)
    num_blocks = tl.cdiv(length, T)
    for blocks_done in range(0, num_blocks):
        block = num_blocks - 1 - blocks_done
        token = block * T + position
        is_token = token < length
        mask = is_token[:, None] & is_channel[None, :]
        grad_y = _load_channels(grad_y_pointer, sample, y_sample, y_channel, y_token, token, channel, mask)  # (T, K)
        x = _load_channels(x_pointer, sample, x_sample, x_channel, x_token, token, channel, mask)
        dt_raw = _load_channels(dt_pointer, sample, dt_sample, dt_channel, dt_token, token, channel, mask)
        dt = tl.where(mask, softplus(dt_raw + bias[None, :]), 0.0)
        B = _load_states(B_pointer, matrix, length, num_states, token, n, is_token)  # (T, N)
        C = _load_states(C_pointer, matrix, length, num_states, token, n, is_token)
        decay = tl.exp2(dt[:, :, None] * A[None, :, :])  # (T, K, N)
        u = dt * x

        # h_{t-1} of each token: the same scan, of the tokens before
        is_inside = is_token & (position > 0)
        mask_before = is_inside[:, None] & is_channel[None, :]
        x_before = _load_channels(x_pointer, sample, x_sample, x_channel, x_token, token - 1, channel, mask_before)
        dt_before = _load_channels(
            dt_pointer, sample, dt_sample, dt_channel, dt_token, token - 1, channel, mask_before
        )
        dt_before = tl.where(mask_before, softplus(dt_before + bias[None, :]), 0.0)
        B_before = _load_states(B_pointer, matrix, length, num_states, token - 1, n, is_inside)
        product, added = tl.associative_scan(
            (
                tl.exp2(dt_before[:, :, None] * A[None, :, :]),
                (dt_before * x_before)[:, :, None] * B_before[:, None, :],
            ),
            0,
            _then,
        )
        row = (block.to(tl.int64) * num_samples + sample) * num_channels
        start = tl.load(states_pointer + row * num_states + A_offsets, mask=A_mask, other=0.0)  # (K, N)
        h_before = product * start[None, :, :] + added  # (T, K, N)

        out_offsets = (sample * length + token[:, None]) * num_channels + channel[None, :]
        h = decay * h_before + u[:, :, None] * B[:, None, :]
        if HAS_GATE:
            z = _load_channels(z_pointer, sample, z_sample, z_channel, z_token, token, channel, mask)
            open = sigmoid(z)
            y = tl.sum(h * C[:, None, :], axis=2) + D[None, :] * x
            grad_z = grad_y * y * open * (1.0 + z * (1.0 - open))
            tl.store(grad_z_pointer + out_offsets, grad_z.to(grad_z_pointer.dtype.element_ty), mask=mask)
            grad_y *= z * open

        # the grad of a state: what its own token asks through C, and what the next state asks
        has_next = (position < T - 1) & (token + 1 < length)
        mask_next = has_next[:, None] & is_channel[None, :]
        dt_next = _load_channels(dt_pointer, sample, dt_sample, dt_channel, dt_token, token + 1, channel, mask_next)
        dt_next = tl.where(mask_next, softplus(dt_next + bias[None, :]), 0.0)
        asked = grad_y[:, :, None] * C[:, None, :]
        asked += tl.where((position == T - 1)[:, None, None], grad_from_later[None, :, :], 0.0)
        decay_next = tl.exp2(dt_next[:, :, None] * A[None, :, :])
        _, grad_h = tl.associative_scan((decay_next, asked), 0, _then, reverse=True)
        grad_from_later = tl.sum(tl.where((position == 0)[:, None, None], decay * grad_h, 0.0), axis=0)

        B_offsets = (part * length + token[:, None]) * num_states + n[None, :]
        B_mask = is_token[:, None] & (n < num_states)[None, :]
        tl.store(grad_C_pointer + B_offsets, tl.sum(grad_y[:, :, None] * h, axis=1), mask=B_mask)
        tl.store(grad_B_pointer + B_offsets, tl.sum(u[:, :, None] * grad_h, axis=1), mask=B_mask)

        grad_u = tl.sum(grad_h * B[:, None, :], axis=2)  # (T, K)
        grad_dt_A = grad_h * decay * h_before  # (T, K, N): of the exponent dt A
        ln_2 = 0.6931471805599453  # A is in units of log2(e)
        grad_dt = grad_u * x + tl.sum(grad_dt_A * A[None, :, :], axis=2) * ln_2
        grad_dt *= sigmoid(dt_raw + bias[None, :])
        grad_dt = tl.where(mask, grad_dt, 0.0)
        grad_A += tl.sum(grad_dt_A * dt[:, :, None], axis=0)
        grad_D += tl.sum(grad_y * x, axis=0)
        grad_bias += tl.sum(grad_dt, axis=0)
        grad_x = grad_u * dt + grad_y * D[None, :]
        tl.store(grad_x_pointer + out_offsets, grad_x.to(grad_x_pointer.dtype.element_ty), mask=mask)
        tl.store(grad_dt_pointer + out_offsets, grad_dt.to(grad_dt_pointer.dtype.element_ty), mask=mask)

    row = sample * num_channels
    tl.store(grad_A_pointer + row * num_states + A_offsets, grad_A, mask=A_mask)
    tl.store(grad_D_pointer + row + channel, grad_D, mask=is_channel)
    tl.store(grad_bias_pointer + row + channel, grad_bias, mask=is_channel)
