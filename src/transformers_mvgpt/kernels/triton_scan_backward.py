# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
The Triton kernels of the selective scan's backward pass, and what they share with the forward one.

With g_t the gradient of the state h_t, and grad_y_t that of y_t before the gate,

    g_t = C_t grad_y_t + a_{t+1} g_{t+1}        where h_t = a_t h_{t-1} + u_t B_t, a_t = exp(dt_t A), u_t = dt_t x_t

which is a scan from the last token to the first. As forwards, the tokens are cut into segments, which are walked twice: first
only to what each of them adds to the gradient of the state before it, then, from what all later segments add, for all
gradients. A program has few channels, as many as one warp can sum over without waiting for others, and takes them T at
once: their states are computed again from the last one that the forward pass saved, and stay in registers.

What several programs contribute to (B and C: those of a group's channels; A, D and the bias: segments and samples) goes into a
workspace. A third kernel adds it up, always in the same order.

Tokens, channels and states beyond the end get dt = 0, B = C = 0: a decay of 1 and nothing added.

Symbols in the shape comments: T tokens of a block, K channels of a program, N states per channel, padded to a power of two.
Everything is computed in float32.
"""

# mypy: disable-error-code="assignment, var-annotated"
# (Triton's loops make tuples longer)

from .triton_activations import sigmoid, softplus
from .triton_launch import Launcher
from .triton_support import jit, tl


@jit
def _place(CHANNELS: tl.constexpr, K: tl.constexpr):
    """
    Of a program: its segment, of how many, the number of its sample and group, that of samples and groups together, its
    channels (K,) among all, and whether its group has so many.
    """
    programs: tl.constexpr = (CHANNELS + K - 1) // K
    channel = tl.program_id(2) % programs * K + tl.arange(0, K)
    matrix = tl.program_id(0).to(tl.int64) * tl.num_programs(1) + tl.program_id(1)
    is_channel = channel < CHANNELS
    channel += tl.program_id(1) * CHANNELS
    return tl.program_id(2) // programs, tl.num_programs(2) // programs, matrix, channel, is_channel


@jit
def ends_kernel(
    grad_y_pointer,
    dt_pointer,
    z_pointer,
    A_pointer,  # (channels, states)
    C_pointer,  # (samples, groups, tokens, states)
    bias_pointer,
    workspace_pointer,  # (segments, 2, samples, channels, N), written: of each segment its decay, and what it adds
    length,
    segment_length,
    Y_TOKEN: tl.constexpr,  # from one token to the next
    DT_TOKEN: tl.constexpr,
    Z_TOKEN: tl.constexpr,
    HAS_BIAS: tl.constexpr,
    HAS_GATE: tl.constexpr,
    GROUPS: tl.constexpr,
    CHANNELS: tl.constexpr,  # of a group
    STATES: tl.constexpr,
    T: tl.constexpr,
    K: tl.constexpr,
    N: tl.constexpr,
):
    """The first walk. The first segment, before which there is none, has no program."""
    segment, _, matrix, channel, is_channel = _place(CHANNELS, K)
    segment += 1
    sample = tl.program_id(0).to(tl.int64)
    num_channels: tl.constexpr = GROUPS * CHANNELS
    n = tl.arange(0, N)
    A_mask = is_channel[:, None] & (n < STATES)[None, :]
    A = tl.load(A_pointer + channel[:, None] * STATES + n[None, :], mask=A_mask, other=0.0).to(tl.float32)
    A *= 1.4426950408889634  # log2(e)
    if HAS_BIAS:
        bias = tl.load(bias_pointer + channel, mask=is_channel, other=0.0).to(tl.float32)

    time, grad = tl.zeros((K,), dtype=tl.float32), tl.zeros((K, N), dtype=tl.float32)
    first = segment * segment_length
    num_blocks = tl.cdiv(tl.minimum(segment_length, length - first), T)
    for blocks_done in range(0, num_blocks):
        start = first + (num_blocks - 1 - blocks_done) * T
        row = sample * length + start
        grad_ys, dts = grad_y_pointer + row * Y_TOKEN + channel, dt_pointer + row * DT_TOKEN + channel
        zs = z_pointer + row * Z_TOKEN + channel
        Cs = C_pointer + (matrix * length + start) * STATES + n
        for i in tl.static_range(T - 1, -1, -1):
            is_token = start + i < length
            mask = is_channel & is_token
            grad_y = tl.load(grad_ys + i * Y_TOKEN, mask=mask, other=0.0).to(tl.float32)
            dt = tl.load(dts + i * DT_TOKEN, mask=mask, other=0.0).to(tl.float32)
            C = tl.load(Cs + i * STATES, mask=(n < STATES) & is_token, other=0.0).to(tl.float32)
            if HAS_BIAS:
                dt += bias
            dt = tl.where(mask, softplus(dt), 0.0)
            if HAS_GATE:
                z = tl.load(zs + i * Z_TOKEN, mask=mask, other=0.0).to(tl.float32)
                grad_y *= z * sigmoid(z)
            time += dt
            grad = (grad + grad_y[:, None] * C[None, :]) * tl.exp2(dt[:, None] * A)

    size = tl.num_programs(0) * num_channels * N
    ends = workspace_pointer + segment.to(tl.int64) * 2 * size
    ends += (sample * num_channels + channel[:, None]) * N + n[None, :]
    tl.store(ends, tl.exp2(time[:, None] * A), mask=is_channel[:, None])
    tl.store(ends + size, grad, mask=is_channel[:, None])


@jit
def backward_kernel(
    grad_y_pointer,
    x_pointer,
    dt_pointer,
    z_pointer,
    A_pointer,  # (channels, states)
    B_pointer,  # (samples, groups, tokens, states), as C
    C_pointer,
    D_pointer,
    bias_pointer,
    states_pointer,  # (blocks, samples, channels, states): the states before each BLOCK tokens
    grad_x_pointer,  # (samples, tokens, channels), written, as those of dt and z
    grad_dt_pointer,
    grad_z_pointer,
    workspace_pointer,  # what the first walk wrote, and then, written,
    # (programs of a group, 2, samples, groups, tokens, states): parts of the gradients of B and C
    # (segments, samples, channels * (states + 2)): parts of those of A, of D and of the bias
    length,
    segment_length,
    Y_TOKEN: tl.constexpr,  # from one token to the next
    X_TOKEN: tl.constexpr,
    DT_TOKEN: tl.constexpr,
    Z_TOKEN: tl.constexpr,
    BLOCK: tl.constexpr,  # a multiple of T
    HAS_BIAS: tl.constexpr,
    HAS_GATE: tl.constexpr,
    GROUPS: tl.constexpr,
    CHANNELS: tl.constexpr,  # of a group
    STATES: tl.constexpr,
    T: tl.constexpr,
    K: tl.constexpr,
    N: tl.constexpr,
):
    """The second walk."""
    segment, num_segments, matrix, channel, is_channel = _place(CHANNELS, K)
    sample, num_samples = tl.program_id(0).to(tl.int64), tl.num_programs(0)
    WIDTH: tl.constexpr = GROUPS * CHANNELS
    n = tl.arange(0, N)
    is_state = n < STATES
    A_offsets = channel[:, None] * STATES + n[None, :]
    A_mask = is_channel[:, None] & is_state[None, :]
    A = tl.load(A_pointer + A_offsets, mask=A_mask, other=0.0).to(tl.float32)
    A *= 1.4426950408889634  # log2(e)
    D = tl.load(D_pointer + channel, mask=is_channel, other=0.0).to(tl.float32)
    if HAS_BIAS:
        bias = tl.load(bias_pointer + channel, mask=is_channel, other=0.0).to(tl.float32)

    # what later segments add to the gradient of the state after this one
    grad_from_later = tl.zeros((K, N), dtype=tl.float32)
    size = num_samples.to(tl.int64) * WIDTH * N
    ends = workspace_pointer + (sample * WIDTH + channel[:, None]) * N + n[None, :]
    for segments_done in range(0, num_segments - 1 - segment):
        end = ends + (num_segments - 1 - segments_done) * 2 * size
        grad_from_later *= tl.load(end, mask=is_channel[:, None], other=0.0)
        grad_from_later += tl.load(end + size, mask=is_channel[:, None], other=0.0)

    num_programs: tl.constexpr = (CHANNELS + K - 1) // K
    matrix_size = num_samples.to(tl.int64) * GROUPS * length * STATES
    matrix_parts = workspace_pointer + num_segments * 2 * size
    parameter_parts = matrix_parts + num_programs * 2 * matrix_size
    matrix_parts += tl.program_id(2) % num_programs * 2 * matrix_size
    parameter_parts += (segment * num_samples + sample) * WIDTH * (STATES + 2)

    grad_A = tl.zeros((K, N), dtype=tl.float32)
    grad_D, grad_bias = tl.zeros((K,), dtype=tl.float32), tl.zeros((K,), dtype=tl.float32)
    first = segment * segment_length
    num_blocks = tl.cdiv(tl.minimum(segment_length, length - first), T)
    for blocks_done in range(0, num_blocks):
        start = first + (num_blocks - 1 - blocks_done) * T
        row = sample * length + start
        grad_ys, xs = grad_y_pointer + row * Y_TOKEN + channel, x_pointer + row * X_TOKEN + channel
        dts, zs = dt_pointer + row * DT_TOKEN + channel, z_pointer + row * Z_TOKEN + channel
        outputs, matrices = row * WIDTH + channel, (matrix * length + start) * STATES + n
        block = start // BLOCK
        row = block * num_samples + sample
        h = tl.load(states_pointer + row * WIDTH * STATES + A_offsets, mask=A_mask, other=0.0)
        for ahead in range(block * BLOCK - start, 0, T):
            for i in tl.static_range(T):
                x = tl.load(xs + (ahead + i) * X_TOKEN, mask=is_channel, other=0.0).to(tl.float32)
                dt = tl.load(dts + (ahead + i) * DT_TOKEN, mask=is_channel, other=0.0).to(tl.float32)
                B = tl.load(B_pointer + matrices + (ahead + i) * STATES, mask=is_state, other=0.0).to(tl.float32)
                if HAS_BIAS:
                    dt += bias
                dt = softplus(dt)
                h = tl.exp2(dt[:, None] * A) * h + (dt * x)[:, None] * B[None, :]
        inputs, states = (), ()
        for i in tl.static_range(T):
            is_token = start + i < length
            mask = is_channel & is_token
            x = tl.load(xs + i * X_TOKEN, mask=mask, other=0.0).to(tl.float32)
            raw_dt = tl.load(dts + i * DT_TOKEN, mask=mask, other=0.0).to(tl.float32)
            B = tl.load(B_pointer + matrices + i * STATES, mask=is_state & is_token, other=0.0).to(tl.float32)
            if HAS_BIAS:
                raw_dt += bias
            dt = tl.where(mask, softplus(raw_dt), 0.0)
            decayed = tl.exp2(dt[:, None] * A) * h
            h = decayed + (dt * x)[:, None] * B[None, :]
            inputs = inputs + (x, dt)
            states = states + (decayed,)

        for i in tl.static_range(T - 1, -1, -1):
            x, dt, decayed = inputs[2 * i], inputs[2 * i + 1], states[i]
            is_token = start + i < length
            mask = is_channel & is_token
            # B is asked for again, since it takes the registers of several x
            B = tl.load(B_pointer + matrices + i * STATES, mask=is_state & is_token, other=0.0).to(tl.float32)
            grad_y = tl.load(grad_ys + i * Y_TOKEN, mask=mask, other=0.0).to(tl.float32)
            C = tl.load(C_pointer + matrices + i * STATES, mask=is_state & is_token, other=0.0).to(tl.float32)
            u = dt * x
            h = decayed + u[:, None] * B[None, :]
            if HAS_GATE:
                z = tl.load(zs + i * Z_TOKEN, mask=mask, other=0.0).to(tl.float32)
                open = sigmoid(z)
                y = tl.sum(h * C[None, :], axis=1) + D * x
                grad_z = grad_y * y * open * (1.0 + z * (1.0 - open))
                tl.store(grad_z_pointer + outputs + i * WIDTH, grad_z.to(grad_z_pointer.dtype.element_ty), mask=mask)
                grad_y *= z * open
            grad_h = grad_from_later + grad_y[:, None] * C[None, :]
            grad_from_later = grad_h * tl.exp2(dt[:, None] * A)
            grad_B = tl.sum(grad_h * u[:, None], axis=0)
            grad_C = tl.sum(h * grad_y[:, None], axis=0)
            tl.store(matrix_parts + matrices + i * STATES, grad_B, mask=is_state & is_token)
            tl.store(matrix_parts + matrix_size + matrices + i * STATES, grad_C, mask=is_state & is_token)
            grad_u = tl.sum(grad_h * B[None, :], axis=1)
            grad_exponent = grad_h * decayed  # of dt A
            grad_A += grad_exponent * dt[:, None]
            grad_dt = grad_u * x + tl.sum(grad_exponent * A, axis=1) * 0.6931471805599453  # A is times log2(e)
            raw_dt = tl.load(dts + i * DT_TOKEN, mask=mask, other=0.0).to(tl.float32)
            if HAS_BIAS:
                raw_dt += bias
            grad_dt = tl.where(mask, grad_dt * sigmoid(raw_dt), 0.0)
            grad_x = grad_u * dt + grad_y * D
            tl.store(grad_x_pointer + outputs + i * WIDTH, grad_x.to(grad_x_pointer.dtype.element_ty), mask=mask)
            tl.store(grad_dt_pointer + outputs + i * WIDTH, grad_dt.to(grad_dt_pointer.dtype.element_ty), mask=mask)
            grad_D += grad_y * x
            grad_bias += grad_dt

    tl.store(parameter_parts + A_offsets, grad_A, mask=A_mask)
    tl.store(parameter_parts + WIDTH * STATES + channel, grad_D, mask=is_channel)
    if HAS_BIAS:
        tl.store(parameter_parts + WIDTH * (STATES + 1) + channel, grad_bias, mask=is_channel)


@jit
def _sum_rows(pointer, num_rows, width, column, ROWS: tl.constexpr, COLUMNS: tl.constexpr):
    """(columns,): the sums of columns of a contiguous (num_rows, width), in float32."""
    row = tl.arange(0, ROWS)[:, None]
    is_column = (column < width)[None, :]
    sums = tl.zeros((ROWS, COLUMNS), dtype=tl.float32)
    for start in range(0, num_rows, ROWS):
        offsets = (start + row).to(tl.int64) * width + column[None, :]
        sums += tl.load(pointer + offsets, mask=is_column & (start + row < num_rows), other=0.0)
    return tl.sum(sums, axis=0)


@jit
def sum_kernel(
    workspace_pointer,  # what the second walk wrote
    grad_A_pointer,  # written, as all of these, in their own dtypes
    grad_B_pointer,
    grad_C_pointer,
    grad_D_pointer,
    grad_bias_pointer,
    ends_size,
    num_matrix_parts,
    num_parameter_parts,
    matrix_size,
    HAS_BIAS: tl.constexpr,
    WIDTH: tl.constexpr,
    STATES: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
):
    """Adds up the parts."""
    parts = workspace_pointer + ends_size
    matrix_programs = tl.cdiv(2 * matrix_size, COLUMNS)
    if tl.program_id(0) < matrix_programs:
        i = tl.program_id(0) * COLUMNS + tl.arange(0, COLUMNS)
        sums = _sum_rows(parts, num_matrix_parts, 2 * matrix_size, i, ROWS, COLUMNS)
        tl.store(grad_B_pointer + i, sums.to(grad_B_pointer.dtype.element_ty), mask=i < matrix_size)
        i -= matrix_size
        tl.store(grad_C_pointer + i, sums.to(grad_C_pointer.dtype.element_ty), mask=(i >= 0) & (i < matrix_size))
    else:
        i = (tl.program_id(0) - matrix_programs) * COLUMNS + tl.arange(0, COLUMNS)
        parts += tl.cast(num_matrix_parts, tl.int64) * 2 * matrix_size
        sums = _sum_rows(parts, num_parameter_parts, WIDTH * (STATES + 2), i, ROWS, COLUMNS)
        tl.store(grad_A_pointer + i, sums.to(grad_A_pointer.dtype.element_ty), mask=i < WIDTH * STATES)
        i -= WIDTH * STATES
        tl.store(grad_D_pointer + i, sums.to(grad_D_pointer.dtype.element_ty), mask=(i >= 0) & (i < WIDTH))
        if HAS_BIAS:
            i -= WIDTH
            mask = (i >= 0) & (i < WIDTH)
            tl.store(grad_bias_pointer + i, sums.to(grad_bias_pointer.dtype.element_ty), mask=mask)


launch_ends, launch_backward, launch_sum = Launcher(ends_kernel), Launcher(backward_kernel), Launcher(sum_kernel)
