# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
The attention of a prefill, and of an image encoder, in bfloat16, compiled by numba for CPUs with AVX512-BF16. PyTorch's takes
there three times as long as its linear layers would for as many products.

All query heads of a key head are rows of one matrix. A block of queries meets a block of keys after the other: scores in float32,
their softmax as far as it is known, rounded to bfloat16 as PyTorch does it, and its product with the values in float32.

Symbols in the shape comments: B prompts or images, L queries, S keys, H heads, G heads of keys and values, D width of a head.
"""

import numpy as np
import torch

from .numba_compile import LOG2_E, CompiledFunctions, exp2
from .numba_intrinsics import LEFT_ROW_BYTES, TILE_COLUMNS, TILE_ROWS, add_product, shared_array
from .threads import share_work


WIDEST_HEAD = LEFT_ROW_BYTES // 2 // TILE_COLUMNS * TILE_COLUMNS
_ROWS = 84  # of a block of queries, at least: so many fit into the second cache, with keys and scores
_KEYS = 512  # of a block
_SCORES = _KEYS + TILE_COLUMNS  # from a row of scores to the next
_PARTS_PER_THREAD = 16  # so that none waits long for another, and memory is not asked for too often
_LEFT_ROW = LEFT_ROW_BYTES // 2
_LOWEST = np.float32(-1e30)


def attend(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: torch.Tensor | None,
    scaling: float,
    is_causal: bool,
) -> torch.Tensor:
    """
    What `scaled_dot_product_attention` returns for bfloat16, each token for itself.

    Args:
        query (`torch.Tensor` of shape `(B, H, L, D)`): bfloat16, as are key and value. D is even, at most `WIDEST_HEAD`.
        key, value (`torch.Tensor` of shape `(B, G, S, D)`): H is a multiple of G.
        mask (`torch.Tensor` of shape `(B, 1, L, S)`, *optional*): bool, true where a query sees a key.
        scaling (`float`): of the products of queries and keys.
        is_causal (`bool`): without a mask, whether each query sees the key of its own place and those before, or all keys.

    Returns:
        `torch.Tensor` of shape `(B, L, H, D)`: 0 for a query that sees nothing.
    """
    batch, num_heads, num_queries, width = query.shape
    num_key_heads, num_keys = key.shape[1], key.shape[2]
    num_pairs = -(-num_keys // TILE_COLUMNS) * TILE_COLUMNS // 2
    # of the last tile of values, columns may be left over
    widths = width, -(-width // TILE_COLUMNS) * TILE_COLUMNS
    # torch's memory begins at a line of the cache
    keys, values = (
        torch.empty(batch, num_key_heads, num_pairs * columns, dtype=torch.int32, device="cpu") for columns in widths
    )
    result = query.new_empty(batch, num_queries, num_heads, width)
    mask = torch.empty(0, 0, 0, dtype=torch.bool, device="cpu") if mask is None else mask[:, 0].expand(batch, -1, -1)
    sources = [shared_array(tensor.contiguous()) for tensor in (query.transpose(1, 2), key, value)]
    packed, visible = (keys.numpy(), values.numpy()), mask.contiguous().view(torch.uint8).numpy()
    heads = [(sample, head) for sample in range(batch) for head in range(num_key_heads)]
    share_work(lambda head: _compiled._pack(*sources[1:], *packed, *head), heads)

    heads_per_key = num_heads // num_key_heads
    block = -(-_ROWS // (heads_per_key * TILE_ROWS)) * TILE_ROWS
    arrays = sources[0], *packed, visible, shared_array(result)
    factor, sees_all = np.float32(scaling) * LOG2_E, not is_causal

    def attend_blocks(part: tuple[int, int, range]) -> None:
        sample, head, firsts = part
        rows = block * heads_per_key
        left = torch.empty(2, rows, _LEFT_ROW, dtype=torch.int16, device="cpu").numpy().view(np.uint16)
        scores = torch.empty(rows, _SCORES, dtype=torch.float32, device="cpu").numpy()
        sums = torch.empty(rows, widths[1], dtype=torch.float32, device="cpu").numpy()
        for first in firsts:
            _compiled._attend(*arrays, left, scores, sums, sample, head, first, block, num_keys, factor, sees_all)

    # those of many keys first
    firsts = range(0, num_queries, block)[::-1]
    size = -(-len(firsts) * len(heads) // (_PARTS_PER_THREAD * torch.get_num_threads()))
    share_work(attend_blocks, [(*head, firsts[k : k + size]) for k in range(0, len(firsts), size) for head in heads])
    return result


def _pack(key, value, packed_keys, packed_values, sample, head):
    """(S, D) of a head each, as the right matrices of products: keys with a column for each, values with a row for each."""
    num_keys, width = key.shape[2:]
    keys, values = packed_keys[sample, head], packed_values[sample, head]
    num_pairs = keys.size // width
    half = width // 2
    for token in range(2 * num_pairs):
        start = token // TILE_COLUMNS * half * TILE_COLUMNS + token % TILE_COLUMNS
        for pair in range(half):
            word = np.uint32(0)
            if token < num_keys:
                low, high = key[sample, head, token, 2 * pair], key[sample, head, token, 2 * pair + 1]
                word = np.uint32(low) | np.uint32(high) << np.uint32(16)
            keys[start + pair * TILE_COLUMNS] = np.int32(word)
    for pair in range(num_pairs):
        for column in range(values.size // num_pairs):
            word = np.uint32(0)
            if 2 * pair < num_keys and column < width:
                word = np.uint32(value[sample, head, 2 * pair, column])
            if 2 * pair + 1 < num_keys and column < width:
                word |= np.uint32(value[sample, head, 2 * pair + 1, column]) << np.uint32(16)
            place = (column // TILE_COLUMNS * num_pairs + pair) * TILE_COLUMNS + column % TILE_COLUMNS
            values[place] = np.int32(word)


def _bits(value):
    """Of a float32, rounded to the nearest bfloat16, ties to even."""
    bits = np.float32(value).view(np.uint32)
    return np.uint16((bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))) >> np.uint32(16))


def _highest(scores, count, compared):
    """Of so many scores: of each and one half of them away, and so on, in loops that become vector instructions."""
    left = (count + 1) // 2
    for k in range(count - left):
        compared[k] = max(scores[k], scores[left + k])
    if count % 2 == 1:
        compared[left - 1] = scores[left - 1]
    while left > 1:
        half = (left + 1) // 2
        for k in range(left - half):
            compared[k] = max(compared[k], compared[half + k])
        left = half
    return compared[0]


def _soften(scores, weights, visible, highest, factor, compared):
    """
    Writes the weights of a row's keys, relative to the highest score of those that it has seen.

    Args:
        visible: of these keys, not 0 where the row sees them; empty if it sees all.
        highest: of the keys before.

    Returns:
        The highest score, and the sum of weights.
    """
    total = np.float32(0)
    if visible.size > 0:
        for k in range(weights.size):
            scores[k] = scores[k] if visible[k] != 0 else _LOWEST
    highest = max(highest, _highest(scores, weights.size, compared))
    if visible.size > 0:
        for k in range(weights.size):
            weight = exp2((scores[k] - highest) * factor)
            scores[k] = weight if visible[k] != 0 else np.float32(0)
    else:
        for k in range(weights.size):
            scores[k] = exp2((scores[k] - highest) * factor)
    for k in range(weights.size):
        total += scores[k]
        weights[k] = _bits(scores[k])
    return highest, total


def _attend(
    query,
    packed_keys,
    packed_values,
    visible,
    result,
    left,
    scores,
    sums,
    sample,
    key_head,
    first,
    block,
    num_keys,
    factor,
    sees_all,
):
    """
    A block of queries, from `first` on, of the heads of a key head. All that is read of `left` (2, rows, _LEFT_ROW), `scores` and
    `sums` is written here.
    """
    num_queries, num_heads, width = query.shape[1:]
    keys, values = packed_keys[sample, key_head], packed_values[sample, key_head]
    (num_rows, all_columns), heads_per_key = sums.shape, num_heads // packed_keys.shape[1]
    all_pairs, half = keys.size // width, width // 2
    last = min(first + block, num_queries)
    queries, weights = left[0], left[1]
    for row in range(num_rows):
        token, head = first + row % block, key_head * heads_per_key + row // block
        for k in range(width):
            queries[row, k] = query[sample, token, head, k] if token < last else np.uint16(0)

    end = num_keys if sees_all else min(last, num_keys)
    if visible.size > 0:
        end = 0
        for token in range(first, last):
            seen = num_keys
            while seen > end and visible[sample, token, seen - 1] == 0:
                seen -= 1
            end = max(end, seen)

    sums[:] = np.float32(0)
    all_visible, compared = np.empty(0, np.uint8), np.empty(_KEYS, np.float32)
    highest, totals = np.full(num_rows, _LOWEST), np.zeros(num_rows, np.float32)
    row_bytes = 4 * _SCORES
    for start in range(0, end, _KEYS):
        count = min(_KEYS, end - start)
        for column in range(0, count, TILE_COLUMNS):
            right = keys.ctypes.data + 4 * (start + column) * half
            for row in range(0, num_rows, TILE_ROWS):
                for k in range(row, row + TILE_ROWS):
                    scores[k, column : column + TILE_COLUMNS] = np.float32(0)
                place = scores.ctypes.data + row * row_bytes + 4 * column
                add_product(queries.ctypes.data + row * LEFT_ROW_BYTES, right, half, place, row_bytes)

        num_pairs = (count + 1) // 2
        for row in range(num_rows):
            token = first + row % block
            seen = 0 if token >= last else count
            if visible.size == 0 and not sees_all:
                seen = min(seen, token + 1 - start)
            seen = max(seen, 0)
            if seen > 0:
                of_row = visible[sample, token, start : start + seen] if visible.size > 0 else all_visible
                before = highest[row]
                highest[row], total = _soften(scores[row], weights[row, :seen], of_row, before, factor, compared)
                shrink = exp2((before - highest[row]) * factor)
                totals[row] = totals[row] * shrink + total
                for k in range(all_columns):
                    sums[row, k] *= shrink
            for k in range(seen, 2 * num_pairs):
                weights[row, k] = np.uint16(0)
        for column in range(0, all_columns, TILE_COLUMNS):
            right = values.ctypes.data + 4 * (column * all_pairs + start // 2 * TILE_COLUMNS)
            for row in range(0, num_rows, TILE_ROWS):
                place = sums.ctypes.data + 4 * (row * all_columns + column)
                add_product(weights.ctypes.data + row * LEFT_ROW_BYTES, right, num_pairs, place, 4 * all_columns)

    for row in range(num_rows):
        token, head = first + row % block, key_head * heads_per_key + row // block
        if token < last:
            scale = np.float32(1) / totals[row] if totals[row] > 0 else np.float32(0)
            for k in range(width):
                result[sample, token, head, k] = _bits(sums[row, k] * scale)


# "reassoc": a sum runs in as many parts as a vector register has
_compiled = CompiledFunctions((_pack, _attend), (_bits, _highest, _soften), fastmath={"contract", "nsz", "reassoc"})
