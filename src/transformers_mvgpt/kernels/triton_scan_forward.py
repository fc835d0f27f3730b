# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
The Triton kernel of the selective scan's forward pass.

A thread has one channel with all of its states, and takes it from token to token; the next tokens are on their way while it
computes. One video alone has too few channels to fill a GPU, so that the tokens are cut into segments, which are walked
twice: first only to the state in which each of them ends, then, from the state in which all before it leave it, for y.

Symbols in the shape comments: K channels of a program, N states per channel, a multiple of 4. Everything is computed in
float32.
"""

# mypy: disable-error-code="assignment"
# (Triton's loops make tuples longer)

from .triton_scan_backward import sigmoid, softplus
from .triton_support import jit, tl


@jit
def _load_tokens(
    x_pointer,
    dt_pointer,
    B_pointer,
    C_pointer,
    first,
    end,
    length,
    is_reversed,
    is_channel,
    four,  # (K, 4): 0 1 2 3 for each channel, so that its thread gets a vector
    X_TOKEN: tl.constexpr,
    DT_TOKEN: tl.constexpr,
    N: tl.constexpr,
    T: tl.constexpr,
    ENDS_ONLY: tl.constexpr,
):
    """Of each of T tokens: x, dt, and B and C (without C for the ends alone), in vectors of 4 states."""
    loaded = ()
    for i in tl.static_range(T):
        step = tl.minimum(first + i, end - 1)  # what lies beyond the segment is not used
        token = tl.cast(tl.where(is_reversed, length - 1 - step, step), tl.int64)
        x = tl.load(x_pointer + token * X_TOKEN, mask=is_channel, other=0.0)
        dt = tl.load(dt_pointer + token * DT_TOKEN, mask=is_channel, other=0.0)
        loaded = loaded + (x, dt)
        for n in tl.static_range(0, N, 4):
            loaded = loaded + (tl.load(B_pointer + token * N + n + four),)
            if not ENDS_ONLY:
                loaded = loaded + (tl.load(C_pointer + token * N + n + four),)
    return loaded


@jit
def forward_kernel(
    x_pointer,
    dt_pointer,
    A_pointer,  # (channels, N), times log2(e)
    B_pointer,  # (samples, groups, tokens, N), as C
    C_pointer,
    D_pointer,
    reversed_x_pointer,  # the same of a group that goes from the last token to the first: all groups after the first,
    reversed_dt_pointer,  # where TWO_WAYS
    reversed_A_pointer,
    reversed_B_pointer,
    reversed_C_pointer,
    reversed_D_pointer,
    z_pointer,
    bias_pointer,
    y_pointer,  # (samples, tokens, channels), or (groups, samples, tokens, channels of a group) where TWO_WAYS; written
    ends_pointer,  # (segments, 2, samples, channels, N): of each segment the decay and the state; written by the first walk
    states_pointer,  # (blocks, samples, channels, states), written: the states before each block
    length,
    segment_length,
    channels_per_group,
    num_states,
    x_sample,
    dt_sample,
    z_sample,
    X_TOKEN: tl.constexpr,
    DT_TOKEN: tl.constexpr,
    Z_TOKEN: tl.constexpr,
    TWO_WAYS: tl.constexpr,
    HAS_BIAS: tl.constexpr,
    HAS_GATE: tl.constexpr,
    ENDS_ONLY: tl.constexpr,
    BLOCK: tl.constexpr,  # tokens between two saved states; 0 saves none
    T: tl.constexpr,
    K: tl.constexpr,
    N: tl.constexpr,
):
    sample, group = tl.program_id(0).to(tl.int64), tl.program_id(1)
    num_samples, num_groups = tl.num_programs(0), tl.num_programs(1)
    num_channels = num_groups * channels_per_group
    programs_per_segment = tl.cdiv(channels_per_group, K)
    segment = tl.program_id(2) // programs_per_segment
    channel_of_group = tl.program_id(2) % programs_per_segment * K + tl.arange(0, K)
    is_channel = channel_of_group < channels_per_group
    channel = group * channels_per_group + channel_of_group
    four = tl.zeros((K, 1), dtype=tl.int32) + tl.arange(0, 4)[None, :]
    mask = is_channel[:, None]

    own_channel, own_matrix = channel, sample * num_groups + group
    is_reversed = False
    if TWO_WAYS:
        own_channel, own_matrix = channel_of_group, sample
        is_reversed = group > 0
        if is_reversed:
            x_pointer, dt_pointer = reversed_x_pointer, reversed_dt_pointer
            A_pointer, D_pointer = reversed_A_pointer, reversed_D_pointer
            B_pointer, C_pointer = reversed_B_pointer, reversed_C_pointer
        y_row, y_width = (group * num_samples + sample) * length, channels_per_group
    else:
        y_row, y_width = sample * length, num_channels
    x_pointer += sample * x_sample + own_channel
    dt_pointer += sample * dt_sample + own_channel
    z_pointer += sample * z_sample + own_channel
    B_pointer += own_matrix * length * N
    C_pointer += own_matrix * length * N
    D = tl.load(D_pointer + own_channel, mask=is_channel, other=0.0)
    bias = D * 0.0
    if HAS_BIAS:
        bias = tl.load(bias_pointer + own_channel, mask=is_channel, other=0.0)

    size = num_samples * num_channels * N
    ends_pointer += (sample * num_channels + channel[:, None]) * N + four
    A, states = (), ()
    for n in tl.static_range(0, N, 4):
        A = A + (tl.load(A_pointer + own_channel[:, None] * N + n + four, mask=mask, other=0.0),)
        state = tl.zeros((K, 4), dtype=tl.float32)
        if not ENDS_ONLY:
            for before in range(0, segment):
                end = ends_pointer + before * 2 * size + n
                state *= tl.load(end, mask=mask, other=0.0)
                state += tl.load(end + size, mask=mask, other=0.0)
        states = states + (state,)

    first = segment * segment_length
    end = tl.minimum(first + segment_length, length)
    WIDTH: tl.constexpr = 2 + N // 4 * (1 if ENDS_ONLY else 2)  # tensors of a token
    PARTS: tl.constexpr = 1 if ENDS_ONLY else 2
    tokens = _load_tokens(
        x_pointer,
        dt_pointer,
        B_pointer,
        C_pointer,
        first,
        end,
        length,
        is_reversed,
        is_channel,
        four,
        X_TOKEN,
        DT_TOKEN,
        N,
        T,
        ENDS_ONLY,
    )
    time = tl.zeros((K,), dtype=tl.float32)
    for start in range(first, end, T):
        next_tokens = _load_tokens(
            x_pointer,
            dt_pointer,
            B_pointer,
            C_pointer,
            start + T,
            end,
            length,
            is_reversed,
            is_channel,
            four,
            X_TOKEN,
            DT_TOKEN,
            N,
            T,
            ENDS_ONLY,
        )
        if BLOCK:
            if start % BLOCK == 0:
                row = (start // BLOCK * num_samples + sample) * num_channels
                offsets = (row + channel[:, None]) * num_states + four
                for q in tl.static_range(N // 4):
                    tl.store(states_pointer + offsets + 4 * q, states[q], mask=mask & (four + 4 * q < num_states))
        for i in tl.static_range(T):
            is_token = start + i < end
            x = tokens[i * WIDTH].to(tl.float32)
            dt = softplus(tokens[i * WIDTH + 1].to(tl.float32) + bias)
            dt = tl.where(is_token, dt, 0.0)
            u = dt * x
            products = tl.zeros((K, 4), dtype=tl.float32)
            next_states = ()
            for q in tl.static_range(N // 4):
                B = tokens[i * WIDTH + 2 + PARTS * q]
                h = tl.exp2(dt[:, None] * A[q]) * states[q] + u[:, None] * B
                if not ENDS_ONLY:
                    products += h * tokens[i * WIDTH + 3 + PARTS * q]
                next_states = next_states + (h,)
            states = next_states
            if ENDS_ONLY:
                time += dt
            else:
                token = tl.cast(tl.where(is_reversed, length - 1 - start - i, start + i), tl.int64)
                y = tl.sum(products, axis=1) + D * x
                if HAS_GATE:
                    z = tl.load(z_pointer + token * Z_TOKEN, mask=is_channel & is_token, other=0.0).to(tl.float32)
                    y *= z * sigmoid(z)
                y_offsets = (y_row + token) * y_width + own_channel
                tl.store(y_pointer + y_offsets, y.to(y_pointer.dtype.element_ty), mask=is_channel & is_token)
        tokens = next_tokens

    if ENDS_ONLY:
        ends_pointer += segment * 2 * size
        for q in tl.static_range(N // 4):
            tl.store(ends_pointer + 4 * q, tl.exp2(time[:, None] * A[q]), mask=mask)
            tl.store(ends_pointer + size + 4 * q, states[q], mask=mask)
