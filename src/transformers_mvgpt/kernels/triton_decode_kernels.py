# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
Triton kernels of a decode step: one new token of each sequence through a Qwen2 or Llama language model, six kernels a layer. The
two of the attention are in `triton_decode_attention.py`.

Each weight is read once for all sequences. Nothing depends on numbers that the CPU knows: how many tokens are cached and where
keys, values, mask, positions, embeddings and result lie is in a tensor on the GPU, so that one recording serves all answers.
The root mean square of a norm comes from the kernel before it, as one sum of squares for each block of columns.

Sums are float32; results are rounded to the dtype of the weights where the next kernel reads them.

Symbols in the shape comments: B sequences, M the same filled up to what a matrix product takes, h width, I width inside the MLP,
H heads, G heads of keys and values, D width of a head.
"""

# mypy: disable-error-code="assignment,attr-defined"
# (Triton changes the types of names)

from .triton_support import jit, tl


# Of the tensor of numbers that change from token to token, int64: where each stands.
KEYS, VALUES, CAPACITY, NUM_CACHED, MASK, MASK_STRIDE, POSITIONS, POSITION_STRIDE, EMBEDDINGS, RESULT = map(
    tl.constexpr, range(10)
)
NUM_STEP_NUMBERS = 10
_LOG2_E = tl.constexpr(1.4426950408889634)


@jit
def pointer_at(step_pointer, place: tl.constexpr, like_pointer):
    """What a number of the step points at: 16 bytes of the dtype of another pointer begin there."""
    address = tl.multiple_of(tl.load(step_pointer + place), 16)
    return tl.multiple_of(address.to(like_pointer.dtype), 16)


@jit
def _root(squares_pointer, epsilon, WIDTH: tl.constexpr, M: tl.constexpr, BLOCKS: tl.constexpr):
    """1 / the root of the mean square of each row, (M,), from the sums of its blocks (BLOCKS, M)."""
    offsets = tl.arange(0, BLOCKS)[:, None] * M + tl.arange(0, M)[None, :]
    return tl.rsqrt(tl.sum(tl.load(squares_pointer + offsets), 0) / WIDTH + epsilon)


@jit
def _normalize(x, weight, root):
    """Rounded where transformers' norms round."""
    normed = (x.to(tl.float32) * root).to(x.dtype)
    return (normed.to(tl.float32) * weight.to(tl.float32)).to(x.dtype)


@jit
def _load_block(pointer, index, offsets, K: tl.constexpr, BK: tl.constexpr):
    """At the columns `index` of K, where there are any."""
    if K % BK == 0:
        block = tl.load(pointer + offsets)
    else:
        block = tl.load(pointer + offsets, mask=index < K, other=0.0)
    return block


@jit
def _multiply(
    x_pointer,  # (M, K)
    weight_pointer,  # (outputs, K)
    second_weight_pointer,
    output,  # (R,): rows of the weights
    second_output,
    norm_pointer,  # (K,)
    root,  # (M,)
    HAS_NORM: tl.constexpr,
    TWO: tl.constexpr,  # products with both weights; otherwise the second is the first
    K: tl.constexpr,
    M: tl.constexpr,  # 1, or at least 16
    R: tl.constexpr,
    BK: tl.constexpr,
    STAGES: tl.constexpr,
):
    """Rows of weights times norm(x): twice (R, M), float32."""
    column = tl.arange(0, BK)
    row_offsets = output.to(tl.int64)[:, None] * K
    second_row_offsets = second_output.to(tl.int64)[:, None] * K
    if M == 1:
        product = tl.zeros((R, BK), tl.float32)
    else:
        product = tl.zeros((R, M), tl.float32)
    second_product = product
    for start in tl.range(0, K, BK, num_stages=STAGES):
        k = start + column
        weight = _load_block(weight_pointer, k[None, :], row_offsets + k[None, :], K, BK)
        if M == 1:
            x = _load_block(x_pointer, k, k, K, BK)
            if HAS_NORM:
                x = _normalize(x, _load_block(norm_pointer, k, k, K, BK), tl.sum(root, 0))
            product += weight.to(tl.float32) * x.to(tl.float32)[None, :]
        else:
            x = _load_block(x_pointer, k[:, None], tl.arange(0, M)[None, :] * K + k[:, None], K, BK)  # (BK, M)
            if HAS_NORM:
                x = _normalize(x, _load_block(norm_pointer, k, k, K, BK)[:, None], root[None, :])
            product = tl.dot(weight, x, product, input_precision="ieee")
        if TWO:
            weight = _load_block(second_weight_pointer, k[None, :], second_row_offsets + k[None, :], K, BK)
            if M == 1:
                second_product += weight.to(tl.float32) * x.to(tl.float32)[None, :]
            else:
                second_product = tl.dot(weight, x, second_product, input_precision="ieee")
    if M == 1:
        product = tl.sum(product, 1)[:, None]
        second_product = tl.sum(second_product, 1)[:, None]
    return product, second_product


@jit
def _store_squares(squares_pointer, rounded, M: tl.constexpr):
    """Of a block of columns, (columns, M)."""
    squares = rounded.to(tl.float32)
    offsets = tl.program_id(0) * M + tl.arange(0, M)
    tl.store(squares_pointer + offsets, tl.sum(squares * squares, 0))


@jit(same_for_all=["num_sequences"])
def begin_kernel(
    step_pointer,
    hidden_pointer,  # (M, WIDTH), written
    squares_pointer,  # (blocks, M), written
    num_sequences,
    WIDTH: tl.constexpr,
    M: tl.constexpr,
    R: tl.constexpr,
):
    """The embeddings, for a program R columns of them."""
    column = tl.program_id(0) * R + tl.arange(0, R)[:, None]
    sequence = tl.arange(0, M)[None, :]
    embeddings = pointer_at(step_pointer, EMBEDDINGS, hidden_pointer)
    mask = (column < WIDTH) & (sequence < num_sequences)
    hidden = tl.load(embeddings + sequence * WIDTH + column, mask=mask, other=0.0)
    tl.store(hidden_pointer + sequence * WIDTH + column, hidden, mask=column < WIDTH)
    _store_squares(squares_pointer, hidden, M)


@jit(same_for_all=["layer", "num_sequences"])
def project_kernel(
    step_pointer,
    hidden_pointer,  # (M, WIDTH)
    squares_pointer,
    norm_pointer,
    query_weight_pointer,  # (H * D, WIDTH), those of keys and values (G * D, WIDTH)
    key_weight_pointer,
    value_weight_pointer,
    query_bias_pointer,
    key_bias_pointer,
    value_bias_pointer,
    frequencies_pointer,  # (D / 2,)
    query_pointer,  # (M, H, D), written
    layer,
    num_sequences,
    epsilon,
    rotary_scaling,
    HAS_QUERY_BIAS: tl.constexpr,
    HAS_KEY_BIAS: tl.constexpr,
    HAS_VALUE_BIAS: tl.constexpr,
    WIDTH: tl.constexpr,
    H: tl.constexpr,
    G: tl.constexpr,
    D: tl.constexpr,
    M: tl.constexpr,
    R: tl.constexpr,
    BK: tl.constexpr,
    BLOCKS: tl.constexpr,
    STAGES: tl.constexpr,
):
    """
    Queries, keys and values of the token, the first two rotated to their position; keys and values go into the cache. A program
    has R columns of the first half of a head, and those that are rotated with them.
    """
    PARTS: tl.constexpr = D // 2 // R
    head = tl.program_id(0) // PARTS
    column = tl.program_id(0) % PARTS * R + tl.arange(0, R)
    kind = (head >= H).to(tl.int32) + (head >= H + G).to(tl.int32)
    weight_pointer = query_weight_pointer
    if kind == 1:
        weight_pointer = key_weight_pointer
        head -= H
    elif kind == 2:
        weight_pointer = value_weight_pointer
        head -= H + G
    output = head * D + column
    root = _root(squares_pointer, epsilon, WIDTH, M, BLOCKS)
    low, high = _multiply(
        hidden_pointer,
        weight_pointer,
        weight_pointer,
        output,
        output + D // 2,
        norm_pointer,
        root,
        True,
        True,
        WIDTH,
        M,
        R,
        BK,
        STAGES,
    )
    has_bias = ((kind == 0) & HAS_QUERY_BIAS) | ((kind == 1) & HAS_KEY_BIAS) | ((kind == 2) & HAS_VALUE_BIAS)
    bias_pointer = query_bias_pointer
    if kind == 1:
        bias_pointer = key_bias_pointer
    elif kind == 2:
        bias_pointer = value_bias_pointer
    low += tl.load(bias_pointer + output, mask=has_bias, other=0.0).to(tl.float32)[:, None]
    high += tl.load(bias_pointer + output + D // 2, mask=has_bias, other=0.0).to(tl.float32)[:, None]
    dtype = query_pointer.dtype.element_ty
    low, high = low.to(dtype).to(tl.float32), high.to(dtype).to(tl.float32)

    sequence = tl.arange(0, M)
    is_sequence = sequence < num_sequences
    num_cached = tl.load(step_pointer + NUM_CACHED)
    if kind < 2:
        positions = tl.load(step_pointer + POSITIONS)
        position_pointer = positions.to(step_pointer.dtype)
        stride = tl.load(step_pointer + POSITION_STRIDE)
        position = tl.load(position_pointer + sequence * stride, mask=is_sequence & (positions != 0), other=0)
        position = tl.where(positions != 0, position, num_cached)
        angle = tl.load(frequencies_pointer + column).to(tl.float32)[:, None] * position.to(tl.float32)[None, :]
        cosine = (tl.cos(angle) * rotary_scaling).to(dtype).to(tl.float32)
        sine = (tl.sin(angle) * rotary_scaling).to(dtype).to(tl.float32)
        low, high = low * cosine - high * sine, high * cosine + low * sine
    capacity = tl.load(step_pointer + CAPACITY)
    cache_row = (layer * num_sequences + sequence.to(tl.int64)) * G + head
    offsets = (cache_row * capacity + num_cached)[None, :] * D + column[:, None]
    destination = query_pointer
    if kind == 0:
        offsets = (sequence.to(tl.int64) * H + head)[None, :] * D + column[:, None]
    elif kind == 1:
        destination = pointer_at(step_pointer, KEYS, query_pointer)
    else:
        destination = pointer_at(step_pointer, VALUES, query_pointer)
    tl.store(destination + offsets, low.to(dtype), mask=is_sequence[None, :])
    tl.store(destination + offsets + D // 2, high.to(dtype), mask=is_sequence[None, :])


@jit
def add_product_kernel(
    x_pointer,  # (M, K)
    weight_pointer,  # (WIDTH, K)
    bias_pointer,
    hidden_pointer,  # (M, WIDTH), to which the product is added
    squares_pointer,  # (blocks, M), written
    HAS_BIAS: tl.constexpr,
    K: tl.constexpr,
    WIDTH: tl.constexpr,
    M: tl.constexpr,
    R: tl.constexpr,
    BK: tl.constexpr,
    STAGES: tl.constexpr,
):
    """A linear layer added to the hidden states, for a program R columns of them."""
    column = tl.program_id(0) * R + tl.arange(0, R)
    is_column = column < WIDTH
    output = tl.minimum(column, WIDTH - 1)
    nothing = tl.zeros((M,), tl.float32)
    product, _ = _multiply(
        x_pointer,
        weight_pointer,
        weight_pointer,
        output,
        output,
        weight_pointer,
        nothing,
        False,
        False,
        K,
        M,
        R,
        BK,
        STAGES,
    )
    if HAS_BIAS:
        product += tl.load(bias_pointer + output).to(tl.float32)[:, None]
    offsets = tl.arange(0, M)[None, :] * WIDTH + column[:, None]
    hidden = tl.load(hidden_pointer + offsets, mask=is_column[:, None], other=0.0)
    dtype = hidden.dtype
    hidden = (product.to(dtype).to(tl.float32) + hidden.to(tl.float32)).to(dtype)
    hidden = tl.where(is_column[:, None], hidden, 0.0)
    tl.store(hidden_pointer + offsets, hidden, mask=is_column[:, None])
    _store_squares(squares_pointer, hidden, M)


@jit
def gate_kernel(
    hidden_pointer,  # (M, WIDTH)
    squares_pointer,
    norm_pointer,
    gate_weight_pointer,  # (INNER, WIDTH)
    up_weight_pointer,
    inner_pointer,  # (M, INNER), written
    epsilon,
    WIDTH: tl.constexpr,
    INNER: tl.constexpr,
    M: tl.constexpr,
    R: tl.constexpr,
    BK: tl.constexpr,
    BLOCKS: tl.constexpr,
    STAGES: tl.constexpr,
):
    """silu(gate) * up of the normalized hidden states, for a program R columns of it."""
    column = tl.program_id(0) * R + tl.arange(0, R)
    output = tl.minimum(column, INNER - 1)
    root = _root(squares_pointer, epsilon, WIDTH, M, BLOCKS)
    gate, up = _multiply(
        hidden_pointer,
        gate_weight_pointer,
        up_weight_pointer,
        output,
        output,
        norm_pointer,
        root,
        True,
        True,
        WIDTH,
        M,
        R,
        BK,
        STAGES,
    )
    dtype = inner_pointer.dtype.element_ty
    gate, up = gate.to(dtype).to(tl.float32), up.to(dtype).to(tl.float32)
    gate = (gate / (1 + tl.exp2(-gate * _LOG2_E))).to(dtype).to(tl.float32)
    offsets = tl.arange(0, M)[None, :] * INNER + column[:, None]
    tl.store(inner_pointer + offsets, (gate * up).to(dtype), mask=(column < INNER)[:, None])


@jit(same_for_all=["num_sequences"])
def finish_kernel(
    step_pointer,
    hidden_pointer,  # (M, WIDTH)
    squares_pointer,
    norm_pointer,
    num_sequences,
    epsilon,
    WIDTH: tl.constexpr,
    M: tl.constexpr,
    R: tl.constexpr,
    BLOCKS: tl.constexpr,
):
    """The last norm, for a program R columns of it."""
    column = tl.program_id(0) * R + tl.arange(0, R)[:, None]
    sequence = tl.arange(0, M)[None, :]
    root = _root(squares_pointer, epsilon, WIDTH, M, BLOCKS)
    mask = (column < WIDTH) & (sequence < num_sequences)
    offsets = sequence * WIDTH + column
    hidden = tl.load(hidden_pointer + offsets, mask=mask, other=0.0)
    weight = tl.load(norm_pointer + column, mask=column < WIDTH, other=0.0)
    result = pointer_at(step_pointer, RESULT, hidden_pointer)
    tl.store(result + offsets, _normalize(hidden, weight, root[None, :]), mask=mask)
