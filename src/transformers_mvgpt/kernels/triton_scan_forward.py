# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
The Triton kernel of the selective scan's forward pass.

A thread has one channel with all of its states, and takes it from token to token; the next tokens are on their way while it
computes. B and C are the same for all threads of a program: scalars. One video alone has too few channels to fill a
GPU, so that the tokens are cut into segments, which are walked twice: first only to the state in which each of them ends, then,
from the state in which all before it leave it, for y.

Symbols in the shape comments: K channels of a program, N states per channel. Everything is computed in float32.
"""

# mypy: disable-error-code="assignment"
# (Triton's loops make tuples longer)

from .triton_activations import sigmoid, softplus
from .triton_launch import Launcher
from .triton_support import jit, tl


@jit
def _load_row(pointer, N: tl.constexpr, IN_PAIRS: tl.constexpr):
    """N numbers, two with each load where they are aligned."""
    row = ()
    if IN_PAIRS:
        dtype: tl.constexpr = pointer.dtype.element_ty
        BITS: tl.constexpr = dtype.primitive_bitwidth
        number: tl.constexpr = tl.int16 if BITS == 16 else tl.int32
        pairs = pointer.to(tl.pointer_type(tl.int32 if BITS == 16 else tl.int64))
        for n in tl.static_range(N // 2):
            pair = tl.load(pairs + n)
            first = pair.to(number).to(dtype, bitcast=True).to(tl.float32)
            second = (pair >> BITS).to(number).to(dtype, bitcast=True).to(tl.float32)
            row = row + (first, second)
    else:
        for n in tl.static_range(N):
            row = row + (tl.load(pointer + n).to(tl.float32),)
    return row


@jit
def _load_tokens(
    x_pointer,
    dt_pointer,
    B_pointer,
    C_pointer,
    z_pointer,
    first,
    end,
    length,
    is_reversed,
    is_channel,
    X_TOKEN: tl.constexpr,
    DT_TOKEN: tl.constexpr,
    B_TOKEN: tl.constexpr,
    Z_TOKEN: tl.constexpr,
    N: tl.constexpr,
    T: tl.constexpr,
    HAS_GATE: tl.constexpr,
    IN_PAIRS: tl.constexpr,
    ENDS_ONLY: tl.constexpr,
):
    """Of each of T tokens: x, dt, and the numbers of B and, if it is not for the ends alone, of C; z if there is one, else x."""
    loaded = ()
    for i in tl.static_range(T):
        step = tl.minimum(first + i, end - 1)  # what lies beyond the segment is not used
        token = tl.cast(tl.where(is_reversed, length - 1 - step, step), tl.int64)
        x = tl.load(x_pointer + token * X_TOKEN, mask=is_channel, other=0.0)
        dt = tl.load(dt_pointer + token * DT_TOKEN, mask=is_channel, other=0.0)
        loaded = loaded + (x, dt) + _load_row(B_pointer + token * B_TOKEN, N, IN_PAIRS)
        if not ENDS_ONLY:
            z = x
            if HAS_GATE:
                z = tl.load(z_pointer + token * Z_TOKEN, mask=is_channel, other=0.0)
            loaded = loaded + _load_row(C_pointer + token * B_TOKEN, N, IN_PAIRS) + (z,)
    return loaded


@jit
def _load_end(pointer, row, rows, row_size, is_channel, N: tl.constexpr):
    """Of a segment: the time that passes in it, and the state that it leaves of what enters in it; zeros if there is none."""
    mask = is_channel & (row < rows)
    end = ()
    for n in tl.static_range(N + 1):
        end = end + (tl.load(pointer + (row * (N + 1) + n) * row_size, mask=mask, other=0.0),)
    return end


@jit
def forward_kernel(
    x_pointer,
    dt_pointer,
    A_pointer,  # (channels, N)
    B_pointer,  # (samples, groups, tokens, N), strided as C
    C_pointer,
    D_pointer,
    reversed_A_pointer,  # those of the second group where TWO_WAYS
    reversed_D_pointer,
    z_pointer,
    bias_pointer,
    y_pointer,  # (samples, tokens, channels), written
    ends_pointer,  # (segments, 1 + N, samples, channels): of each its time and its last state; written by the first walk
    states_pointer,  # (blocks, samples, channels, N), written: the states before each block
    length,
    segment_length,
    channels_per_group,
    x_sample,
    dt_sample,
    z_sample,
    B_sample,
    B_group,
    X_TOKEN: tl.constexpr,
    DT_TOKEN: tl.constexpr,
    Z_TOKEN: tl.constexpr,
    B_TOKEN: tl.constexpr,  # of C as well
    # two groups, as a mixer has them: the second from the last token to the first; x, dt, y (groups, samples, tokens, channels of
    # a group), B and C (groups, samples, tokens, ...), all contiguous; log(-A) instead of A, and dt after its softplus
    TWO_WAYS: tl.constexpr,
    HAS_BIAS: tl.constexpr,
    HAS_GATE: tl.constexpr,
    IN_PAIRS: tl.constexpr,  # rows of B and C are even, and aligned to two numbers
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

    own_channel = channel
    is_reversed = False
    if TWO_WAYS:
        own_channel = channel_of_group
        is_reversed = group > 0
        if is_reversed:
            A_pointer, D_pointer = reversed_A_pointer, reversed_D_pointer
        row = group * num_samples + sample
        x_pointer += row * length * X_TOKEN + channel_of_group
        dt_pointer += row * length * DT_TOKEN + channel_of_group
        y_pointer += row * length * channels_per_group + channel_of_group
        y_width = channels_per_group
        matrix = row * length * B_TOKEN
    else:
        matrix = sample * B_sample + group * B_group
        x_pointer += sample * x_sample + channel
        dt_pointer += sample * dt_sample + channel
        y_pointer += sample * length * num_channels + channel
        y_width = num_channels
    z_pointer += sample * z_sample + channel
    B_pointer += matrix
    C_pointer += matrix
    D = tl.load(D_pointer + own_channel, mask=is_channel, other=0.0).to(tl.float32)
    bias = D * 0.0
    if HAS_BIAS:
        bias = tl.load(bias_pointer + own_channel, mask=is_channel, other=0.0).to(tl.float32)
    A, states = (), ()
    for n in tl.static_range(N):
        rate = tl.load(A_pointer + own_channel * N + n, mask=is_channel, other=0.0).to(tl.float32)
        if TWO_WAYS:
            rate = -tl.exp(rate)
        A = A + (rate * 1.4426950408889634,)  # log2(e)
        states = states + (tl.zeros((K,), dtype=tl.float32),)

    row_size = num_samples * num_channels
    ends_pointer += sample * num_channels + channel
    if not ENDS_ONLY:
        for before in range(0, segment, 2):
            # both at once: each waits for memory as long
            one = _load_end(ends_pointer, before, segment, row_size, is_channel, N)
            other = _load_end(ends_pointer, before + 1, segment, row_size, is_channel, N)
            next_states = ()
            for n in tl.static_range(N):
                state = tl.exp2(one[0] * A[n]) * states[n] + one[1 + n]
                next_states = next_states + (tl.exp2(other[0] * A[n]) * state + other[1 + n],)
            states = next_states

    first = segment * segment_length
    end = tl.minimum(first + segment_length, length)
    WIDTH: tl.constexpr = 2 + N if ENDS_ONLY else 3 + 2 * N  # of what is loaded of a token
    tokens = _load_tokens(
        x_pointer,
        dt_pointer,
        B_pointer,
        C_pointer,
        z_pointer,
        first,
        end,
        length,
        is_reversed,
        is_channel,
        X_TOKEN,
        DT_TOKEN,
        B_TOKEN,
        Z_TOKEN,
        N,
        T,
        HAS_GATE,
        IN_PAIRS,
        ENDS_ONLY,
    )
    time = tl.zeros((K,), dtype=tl.float32)
    for start in range(first, end, T):
        next_tokens = _load_tokens(
            x_pointer,
            dt_pointer,
            B_pointer,
            C_pointer,
            z_pointer,
            start + T,
            end,
            length,
            is_reversed,
            is_channel,
            X_TOKEN,
            DT_TOKEN,
            B_TOKEN,
            Z_TOKEN,
            N,
            T,
            HAS_GATE,
            IN_PAIRS,
            ENDS_ONLY,
        )
        if BLOCK:
            if start % BLOCK == 0:
                block_row = (start // BLOCK * num_samples + sample) * num_channels
                block_pointer = states_pointer + (block_row + channel) * N
                if N % 4 == 0:
                    four = tl.arange(0, 4)[None, :]
                    for n in tl.static_range(0, N, 4):
                        # (K, 4), of which a thread writes a vector
                        pairs = tl.join(tl.join(states[n], states[n + 2]), tl.join(states[n + 1], states[n + 3]))
                        values = tl.reshape(pairs, (K, 4))
                        tl.store(block_pointer[:, None] + n + four, values, mask=is_channel[:, None])
                else:
                    for n in tl.static_range(N):
                        tl.store(block_pointer + n, states[n], mask=is_channel)
        for i in tl.static_range(T):
            is_token = start + i < end
            x = tokens[i * WIDTH].to(tl.float32)
            dt = tokens[i * WIDTH + 1].to(tl.float32)
            if not TWO_WAYS:
                dt = softplus(dt + bias)
            dt = tl.where(is_token, dt, 0.0)
            u = dt * x
            # two sums: each waits for its last term
            y, other_y = D * x, tl.zeros((K,), dtype=tl.float32)
            next_states = ()
            for n in tl.static_range(N):
                h = tl.exp2(dt * A[n]) * states[n] + u * tokens[i * WIDTH + 2 + n]
                if not ENDS_ONLY:
                    if n % 2 == 0:
                        y += h * tokens[i * WIDTH + 2 + N + n]
                    else:
                        other_y += h * tokens[i * WIDTH + 2 + N + n]
                next_states = next_states + (h,)
            states = next_states
            if ENDS_ONLY:
                time += dt
            else:
                token = tl.cast(tl.where(is_reversed, length - 1 - start - i, start + i), tl.int64)
                y += other_y
                if HAS_GATE:
                    z = tokens[i * WIDTH + 2 + 2 * N].to(tl.float32)
                    y *= z * sigmoid(z)
                tl.store(y_pointer + token * y_width, y.to(y_pointer.dtype.element_ty), mask=is_channel & is_token)
        tokens = next_tokens

    if ENDS_ONLY:
        end_pointer = ends_pointer + segment * (N + 1) * row_size
        tl.store(end_pointer, time, mask=is_channel)
        for n in tl.static_range(N):
            tl.store(end_pointer + (1 + n) * row_size, states[n], mask=is_channel)


launch_forward = Launcher(forward_kernel)
