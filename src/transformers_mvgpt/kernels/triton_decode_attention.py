# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
Triton kernels of a decode step's attention: one new token of each sequence attends to all cached ones and itself.

A sequence has too few heads to fill a GPU, so that its tokens are cut into splits, which are weighted and added in the end.
Everything is computed in float32, but for the products of the weights with values, in the dtype of the cache.

Symbols in the shape comments: B sequences, M the same filled up, H heads, G heads of keys and values, D width of a head, S splits of
the cached tokens.
"""

# mypy: disable-error-code="assignment"
# (Triton changes the types of names)

from .triton_decode_kernels import CAPACITY, KEYS, MASK, MASK_STRIDE, NUM_CACHED, VALUES, pointer_at
from .triton_support import jit, tl


@jit(same_for_all=["layer", "num_sequences"])
def attend_kernel(
    step_pointer,
    query_pointer,  # (M, H, D)
    attended_pointer,  # (B, H, S, D), written, float32
    weights_pointer,  # (2, B, H, S), written: of each split the highest score and the sum of all exponentials
    layer,
    num_sequences,
    scaling,  # times log2(e)
    H: tl.constexpr,
    G: tl.constexpr,
    D: tl.constexpr,
    QUERIES: tl.constexpr,  # at least H / G, and what a matrix product takes
    S: tl.constexpr,
    BT: tl.constexpr,
    STAGES: tl.constexpr,
):
    """Attention of all queries that share a key to one split of the cached tokens, and the new one."""
    sequence, key_head = tl.program_id(0) // G, tl.program_id(0) % G
    split = tl.program_id(1)
    num_tokens = (tl.load(step_pointer + NUM_CACHED) + 1).to(tl.int32)
    capacity = tl.load(step_pointer + CAPACITY)
    mask_address = tl.load(step_pointer + MASK)
    mask_pointer = mask_address.to(step_pointer.dtype) + sequence * tl.load(step_pointer + MASK_STRIDE)
    cache_row = ((layer * num_sequences + sequence).to(tl.int64) * G + key_head) * capacity * D
    keys = pointer_at(step_pointer, KEYS, query_pointer) + cache_row
    values = pointer_at(step_pointer, VALUES, query_pointer) + cache_row

    head, column = tl.arange(0, QUERIES), tl.arange(0, D)
    is_head = head < H // G
    row = sequence * H + key_head * (H // G) + head
    query = tl.load(query_pointer + row[:, None] * D + column[None, :], mask=is_head[:, None], other=0.0)

    length = tl.cdiv(tl.cdiv(num_tokens, S), BT) * BT
    first = split * length
    end = tl.minimum(first + length, num_tokens)
    highest = tl.full((QUERIES,), float("-inf"), tl.float32)
    total = tl.zeros((QUERIES,), tl.float32)
    attended = tl.zeros((QUERIES, D), tl.float32)
    for start in tl.range(first, end, BT, num_stages=STAGES):
        token = start + tl.arange(0, BT)
        is_seen = token < end
        key = tl.load(keys + token[None, :] * D + column[:, None], mask=is_seen[None, :], other=0.0)  # (D, BT)
        value = tl.load(values + token[:, None] * D + column[None, :], mask=is_seen[:, None], other=0.0)
        is_seen &= tl.load(mask_pointer + token, mask=is_seen & (mask_address != 0), other=1) != 0
        scores = tl.dot(query, key, input_precision="ieee") * scaling
        scores = tl.where(is_seen[None, :], scores, float("-inf"))
        now_highest = tl.maximum(highest, tl.max(scores, 1))
        # nothing may have been seen yet
        subtracted = tl.where(now_highest == float("-inf"), 0.0, now_highest)
        weights = tl.exp2(scores - subtracted[:, None])
        before = tl.exp2(highest - subtracted)
        total = total * before + tl.sum(weights, 1)
        attended = tl.dot(weights.to(value.dtype), value, attended * before[:, None], input_precision="ieee")
        highest = now_highest
    part = row * S + split
    tl.store(attended_pointer + part[:, None] * D + column[None, :], attended, mask=is_head[:, None])
    tl.store(weights_pointer + part, highest, mask=is_head)
    tl.store(weights_pointer + num_sequences * H * S + part, total, mask=is_head)


@jit
def combine_kernel(
    attended_pointer,  # (B, H, S, D)
    weights_pointer,  # (2, B, H, S)
    result_pointer,  # (M, H, D), written
    D: tl.constexpr,
    S: tl.constexpr,
):
    """The splits of one head of one sequence. A token that sees nothing attends to nothing."""
    row, num_rows = tl.program_id(0), tl.num_programs(0)
    split, column = tl.arange(0, S), tl.arange(0, D)
    highest = tl.load(weights_pointer + row * S + split)
    total = tl.load(weights_pointer + (num_rows + row) * S + split)
    maximum = tl.max(highest, 0)
    weights = tl.exp2(highest - tl.where(maximum == float("-inf"), 0.0, maximum))
    attended = tl.load(attended_pointer + (row * S + split)[:, None] * D + column[None, :])
    attended = tl.sum(attended * weights[:, None], 0)
    total = tl.sum(total * weights, 0)
    attended = tl.where(total > 0, attended / total, 0.0)
    tl.store(result_pointer + row * D + column, attended.to(result_pointer.dtype.element_ty))
