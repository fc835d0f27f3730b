# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
Frame scoring on a GPU: how much attention each frame draws from the patches of its chunk, in three kernels.

    1. scores S = X Xᵀ in tiles of T x T; those below the diagonal are those above it, turned; and of each row of a tile the
       largest score and the sum of exp
    2. sums of softmax(S) over the T rows of a tile, for each column
    3. sums of these, for each frame

Nothing is added by several programs in one place, and all columns are added in the same order: the same features give the same
bits, and frames that are alike have the same score.

Symbols in the shape comments: C chunks, n frames per chunk, P patches per frame, D width, L = n * P tokens of a chunk, M tiles
in a row of them.
"""

import functools
import math

import torch

from .triton_support import jit, tl, triton


# Rows of a tile, how much of the width is multiplied at once, and columns of a sum.
_TILE, _WIDTH, _COLUMNS = 64, 64, 128
_NUM_WARPS, _NUM_STAGES = 4, 3
# Whose scores are held at once: 10 MB for a chunk of 8 frames of 196 patches.
_MOST_CHUNKS = 4


def score_frames(features: torch.Tensor, frames_per_chunk: int) -> torch.Tensor:
    """
    As [`frame_scoring_mvgpt.score_frames`].

    Args:
        features (`torch.Tensor` of shape `(C * n, P, D)`): bfloat16 or float16, on a GPU, the values of a patch side by
            side. Their products are exact and added in float32, like everything after them.
        frames_per_chunk (`int`): n.

    Returns:
        `torch.Tensor` of shape `(C * n,)` in float32.
    """
    num_frames, num_patches, width = features.shape
    num_chunks, num_tokens = num_frames // frames_per_chunk, frames_per_chunk * num_patches
    tiles, most_chunks = triton.cdiv(num_tokens, _TILE), min(num_chunks, _MOST_CHUNKS)
    empty = functools.partial(features.new_empty, dtype=torch.float32)
    attention = empty((most_chunks, num_tokens, num_tokens))
    largest, sums = empty((2, most_chunks, tiles, num_tokens)).unbind()
    received = empty((num_chunks, tiles, num_tokens))
    scores = empty((num_frames,))
    sizes = {"M": tiles, "M_BLOCK": triton.next_power_of_2(tiles)}
    with torch.cuda.device_of(features):
        for first in range(0, num_chunks, most_chunks):
            chunks = min(most_chunks, num_chunks - first)
            _tile_kernel[(tiles, tiles, chunks)](
                *(features, attention, largest, sums, math.log2(math.e) / math.sqrt(width)),
                *(first * frames_per_chunk, num_tokens, num_patches, features.stride(0), features.stride(1)),
                D=width,
                M=tiles,
                T=_TILE,
                K=_WIDTH,
                num_warps=_NUM_WARPS,
                num_stages=_NUM_STAGES,
            )
            _column_kernel[(tiles, triton.cdiv(num_tokens, _COLUMNS), chunks)](
                *(attention, largest, sums, received, first, num_tokens),
                **sizes,
                T=_TILE,
                COLUMNS=_COLUMNS,
                num_warps=_NUM_WARPS,
            )
        _frame_kernel[(num_frames,)](
            *(received, scores, num_tokens, num_patches, frames_per_chunk),
            **sizes,
            P=triton.next_power_of_2(num_patches),
            num_warps=_NUM_WARPS,
        )
    return scores


@jit
def _store_tile(attention_pointer, largest_pointer, sums_pointer, scores, rows, columns, row, tile, num_tokens):
    """The scores of some rows and columns, and the statistics of the rows."""
    is_row, is_column = rows < num_tokens, columns < num_tokens
    places = attention_pointer + (row + rows)[:, None] * num_tokens + columns[None, :]
    tl.store(places, scores, mask=is_row[:, None] & is_column[None, :])
    scores = tl.where(is_column[None, :], scores, -float("inf"))
    top = tl.max(scores, axis=1)
    places = tile * num_tokens + rows
    tl.store(largest_pointer + places, top, mask=is_row)
    tl.store(sums_pointer + places, tl.sum(tl.exp2(scores - top[:, None]), axis=1), mask=is_row)


@jit
def _tile_kernel(
    features_pointer,  # (frames, patches, D)
    attention_pointer,  # (chunks, tokens, tokens), written: scores times log2(e)
    largest_pointer,  # (chunks, M, tokens), as sums, written: of each token's scores with those of a tile
    sums_pointer,
    scale,
    first_frame,
    num_tokens,
    num_patches,
    frame_stride,
    patch_stride,
    D: tl.constexpr,
    M: tl.constexpr,
    T: tl.constexpr,
    K: tl.constexpr,
):
    i, j, chunk = tl.program_id(0), tl.program_id(1), tl.program_id(2).to(tl.int64)
    if i <= j:
        rows, columns = i * T + tl.arange(0, T), j * T + tl.arange(0, T)
        is_row, is_column = rows < num_tokens, columns < num_tokens
        chunk_frame = first_frame + chunk * (num_tokens // num_patches)
        row_places = (chunk_frame + rows // num_patches) * frame_stride + rows % num_patches * patch_stride
        column_places = (chunk_frame + columns // num_patches) * frame_stride + columns % num_patches * patch_stride
        scores = tl.zeros((T, T), dtype=tl.float32)
        for k in range(0, D, K):
            value = k + tl.arange(0, K)
            is_value = value < D
            x = tl.load(
                features_pointer + row_places[:, None] + value[None, :],
                mask=is_row[:, None] & is_value[None, :],
                other=0.0,
            )
            y = tl.load(
                features_pointer + column_places[None, :] + value[:, None],
                mask=is_column[None, :] & is_value[:, None],
                other=0.0,
            )
            scores = tl.dot(x, y, scores)
        scores *= scale
        row, tile = chunk * num_tokens, chunk * M
        _store_tile(attention_pointer, largest_pointer, sums_pointer, scores, rows, columns, row, tile + j, num_tokens)
        if i < j:
            turned = tl.trans(scores)
            _store_tile(
                attention_pointer, largest_pointer, sums_pointer, turned, columns, rows, row, tile + i, num_tokens
            )


@jit
def _column_kernel(
    attention_pointer,  # (chunks, tokens, tokens)
    largest_pointer,  # (chunks, M, tokens), as sums
    sums_pointer,
    received_pointer,  # (all chunks, M, tokens), written: what each token draws from those of a tile
    first_chunk,
    num_tokens,
    M: tl.constexpr,
    M_BLOCK: tl.constexpr,
    T: tl.constexpr,
    COLUMNS: tl.constexpr,
):
    i, chunk = tl.program_id(0), tl.program_id(2).to(tl.int64)
    rows, columns = i * T + tl.arange(0, T), tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)
    is_row, is_column = rows < num_tokens, columns < num_tokens
    tile = tl.arange(0, M_BLOCK)[:, None]
    places = (chunk * M + tile) * num_tokens + rows[None, :]
    mask = (tile < M) & is_row[None, :]
    largest = tl.load(largest_pointer + places, mask=mask, other=-float("inf"))
    top = tl.where(is_row, tl.max(largest, axis=0), 0.0)
    sums = tl.load(sums_pointer + places, mask=mask, other=0.0) * tl.exp2(largest - top[None, :])
    sums = tl.where(is_row, tl.sum(sums, axis=0), 1.0)

    mask = is_row[:, None] & is_column[None, :]
    places = attention_pointer + (chunk * num_tokens + rows)[:, None] * num_tokens + columns[None, :]
    scores = tl.load(places, mask=mask, other=-float("inf"))
    received = tl.sum(tl.exp2(scores - top[:, None]) / sums[:, None], axis=0)
    tl.store(received_pointer + ((first_chunk + chunk) * M + i) * num_tokens + columns, received, mask=is_column)


@jit
def _frame_kernel(
    received_pointer,  # (chunks, M, tokens)
    scores_pointer,  # (frames,), written
    num_tokens,
    num_patches,
    frames_per_chunk,
    M: tl.constexpr,
    M_BLOCK: tl.constexpr,
    P: tl.constexpr,
):
    frame = tl.program_id(0)
    tile, patch = tl.arange(0, M_BLOCK)[:, None], tl.arange(0, P)[None, :]
    row = (frame // frames_per_chunk).to(tl.int64) * M
    places = (row + tile) * num_tokens + frame % frames_per_chunk * num_patches + patch
    received = tl.load(received_pointer + places, mask=(tile < M) & (patch < num_patches), other=0.0)
    tl.store(scores_pointer + frame, tl.sum(tl.sum(received, axis=0), axis=0))
