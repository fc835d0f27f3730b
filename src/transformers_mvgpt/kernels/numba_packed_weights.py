# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
Matrices in 8 or 4 bits, for CPUs: how they are packed, multiplied with few rows, and unpacked for many.

A group of 32 values of a row has a scale and, in 4 bits, a minimum, both in bfloat16. Groups of 16 rows lie together, as
`numba_block_intrinsics.py` describes, so that a product reads memory from front to back.

Symbols in the shape comments: N rows, K columns of a matrix; R rows that it is multiplied with; G groups of a row, B blocks of rows.
"""

import math
from collections.abc import Callable

import numpy as np
import torch

from .numba_block_intrinsics import (
    BLOCK_ROWS,
    GROUP,
    GROUP_BYTES,
    multiply_block_4,
    multiply_block_8,
    unpack_group_4,
    unpack_group_8,
)
from .numba_compile import CompiledFunctions
from .numba_intrinsics import shared_array, widen
from .threads import share_work


# Of a matrix that one thread multiplies at once: for less, another thread is not worth its start.
_FEWEST_BYTES = 1 << 16
_PARTS_PER_THREAD = 4
_HIGHEST = np.float32(32767)
_SMALLEST = np.float32(1e-30)
_GROUP_BYTES_8, _GROUP_BYTES_4 = GROUP_BYTES[8], GROUP_BYTES[4]


def packed_shape(num_rows: int, num_columns: int, bits: int) -> tuple[int, int, int]:
    """(B, G, bytes), of a matrix (N, K) in 8 or 4 bits."""
    return math.ceil(num_rows / BLOCK_ROWS), math.ceil(num_columns / GROUP), GROUP_BYTES[bits]


def bits_of(packed: torch.Tensor) -> int:
    """8 or 4."""
    return {size: bits for bits, size in GROUP_BYTES.items()}[packed.shape[-1]]


def floats_of_grouped(num_columns: int) -> int:
    """How many float32 the memory has that [`group_values`] writes to: for each group a scale, a sum, and 32 values in 16 bits."""
    return BLOCK_ROWS + math.ceil(num_columns / GROUP) * (2 + GROUP // 2)


def pack(weight: torch.Tensor, bits: int) -> torch.Tensor:
    """
    Args:
        weight (`torch.Tensor` of shape `(N, K)`): floating point, on CPU.
        bits (`int`): 8 or 4.

    Returns:
        `torch.Tensor` of [`packed_shape`], uint8.
    """
    weight = weight.detach()
    if weight.dtype not in (torch.float32, torch.bfloat16):
        weight = weight.float()
    values = shared_array(weight.contiguous())
    packed = torch.zeros(packed_shape(weight.shape[0], weight.shape[1], bits), dtype=torch.uint8)
    halves = packed.view(torch.int16).numpy().view(np.uint16)
    _share(packed, lambda first, last: _compiled._pack(bits, values, halves, first, last))
    return packed


def multiply_packed(packed: torch.Tensor, rows: torch.Tensor, num_rows: int) -> torch.Tensor:
    """
    Products of a matrix with few rows, for each of which the weights come from memory or a cache.

    Args:
        packed (`torch.Tensor` of [`packed_shape`]): what [`pack`] returned for (N, K).
        rows (`torch.Tensor` of shape `(R, K)`): float32 or bfloat16.
        num_rows (`int`): N.

    Returns:
        `torch.Tensor` of shape `(R, N)`, float32.
    """
    values = rows.detach().float().contiguous().numpy()
    grouped = np.empty((len(values), floats_of_grouped(rows.shape[1])), np.float32)
    result = np.empty((len(values), num_rows), np.float32)
    _compiled._group_rows(values, grouped)
    others = bits_of(packed), packed.data_ptr(), rows.shape[1], grouped, result
    _share(packed, lambda first, last: _compiled._multiply_some(*others, first, last))
    return torch.from_numpy(result)


def unpack(packed: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """
    Args:
        packed (`torch.Tensor` of [`packed_shape`]): what [`pack`] returned for (N, K).
        dtype (`torch.dtype`): float32 or bfloat16.

    Returns:
        `torch.Tensor` of shape `(32 G, 16 B)`: the matrix, its columns in memory one after the other, and what fills up groups and blocks.
    """
    num_blocks, num_groups, _ = packed.shape
    result = torch.empty(num_groups * GROUP, num_blocks * BLOCK_ROWS, dtype=dtype)
    others = bits_of(packed), packed.data_ptr(), num_groups, shared_array(result)
    _share(packed, lambda first, last: _compiled._unpack(*others, first, last))
    return result


def _share(packed: torch.Tensor, work: Callable[[int, int], None]) -> None:
    """Lets threads do `work(first, last)` for all blocks."""
    most_parts = torch.get_num_threads() * _PARTS_PER_THREAD if torch.get_num_threads() > 1 else 1
    num_parts = max(1, min(most_parts, packed.numel() // _FEWEST_BYTES))
    ends = [len(packed) * part // num_parts for part in range(num_parts + 1)]
    share_work(lambda part: work(ends[part], ends[part + 1]), range(num_parts))


def _pack(bits, values, halves, first, last):
    """Blocks from `first` to before `last`, of values (N, K), into (B, G, half of the bytes) uint16."""
    num_rows, num_columns = values.shape
    group = np.empty(GROUP, np.float32)
    numbers = np.empty(GROUP, np.int32)
    for block in range(first, last):
        for lane in range(min(BLOCK_ROWS, num_rows - block * BLOCK_ROWS)):
            row = values[block * BLOCK_ROWS + lane]
            for index in range(halves.shape[1]):
                place = halves[block, index]
                size = min(GROUP, num_columns - index * GROUP)
                for k in range(GROUP):
                    group[k] = widen(row[index * GROUP + min(k, size - 1)])
                scale, minimum = _quantize(bits, group, numbers)
                place[lane] = _upper_half(scale)
                if bits == 8:
                    for pair in range(GROUP // 2):
                        both = (numbers[2 * pair] & 0xFF) | ((numbers[2 * pair + 1] & 0xFF) << 8)
                        place[BLOCK_ROWS * (1 + pair) + lane] = both
                else:
                    place[BLOCK_ROWS + lane] = _upper_half(minimum)
                    for k in range(0, GROUP, 8):
                        for side in range(2):
                            four = numbers[k + side] | (numbers[k + 2 + side] << 4)
                            four |= (numbers[k + 4 + side] << 8) | (numbers[k + 6 + side] << 12)
                            place[2 * BLOCK_ROWS + BLOCK_ROWS * (k // 4) + 2 * lane + side] = four


def _quantize(bits, group, numbers):
    """Writes the numbers of a group, and returns its scale and minimum, which bfloat16 holds."""
    lowest, highest, total = group[0], group[0], np.float32(0)
    for k in range(GROUP):
        lowest, highest = min(lowest, group[k]), max(highest, group[k])
        total += abs(group[k])
    if bits == 8:
        minimum = np.float32(0)
        scale = _outwards(max(max(-lowest, highest) / np.float32(127), _SMALLEST))
    else:
        minimum = _outwards(lowest) if lowest < 0 else np.float32(0)
        scale = _outwards(max((highest - minimum) / np.float32(15), _SMALLEST))
    if not total < np.inf:
        return np.float32(np.nan), minimum
    inverse = np.float32(1) / scale
    for k in range(GROUP):
        numbers[k] = np.int32(np.floor((group[k] - minimum) * inverse + np.float32(0.5)))
    return scale, minimum


def _outwards(value):
    """Rounded to bfloat16, away from zero."""
    bits = (np.float32(value).view(np.uint32) + np.uint32(0xFFFF)) & np.uint32(0xFFFF0000)
    return np.uint32(bits).view(np.float32)


def _upper_half(value):
    return np.uint16(np.float32(value).view(np.uint32) >> np.uint32(16))


def group_values(values, grouped):
    """
    Writes a vector as [`multiply_block_8`] takes it. It is NaN where a value is not finite.

    Args:
        values: of shape `(K,)`, float32.
        grouped: of [`floats_of_grouped`] or longer, float32. It begins with a place for 16 products.
    """
    num_groups = (values.size + GROUP - 1) // GROUP
    vector = grouped[BLOCK_ROWS:]
    integers = vector[2 * num_groups : num_groups * (2 + GROUP // 2)].view(np.int16)
    for index in range(num_groups):
        group = values[index * GROUP : min(values.size, (index + 1) * GROUP)]
        written = integers[index * GROUP : (index + 1) * GROUP]
        largest, size = np.float32(0), np.float32(0)
        for k in range(group.size):
            largest = max(largest, abs(group[k]))
            size += abs(group[k])
        scale = max(largest, _SMALLEST) / _HIGHEST
        inverse = np.float32(1) / scale
        total = np.float32(0)
        if size < np.inf:
            for k in range(group.size):
                value = np.floor(group[k] * inverse + np.float32(0.5))
                total += value
                written[k] = np.int16(value)
            for k in range(group.size, GROUP):
                written[k] = 0
        else:
            scale = np.float32(np.nan)
        vector[index] = scale
        vector[num_groups + index] = total * scale


def multiply_blocks(bits, address, num_columns, grouped, result, first, last):
    """
    The rows of a matrix, blocks from `first` to before `last`, times a vector, into the same places of the result.

    Args:
        bits: 8 or 4.
        address: of the packed matrix.
        num_columns: K.
        grouped: the vector, as [`group_values`] writes it.
        result: of shape `(N,)`, float32.
    """
    num_groups = (num_columns + GROUP - 1) // GROUP
    products = grouped[:BLOCK_ROWS]
    vector, lanes = grouped[BLOCK_ROWS:].ctypes.data, products.ctypes.data
    for block in range(first, last):
        if bits == 8:
            multiply_block_8(address + block * num_groups * _GROUP_BYTES_8, vector, num_groups, lanes)
        else:
            multiply_block_4(address + block * num_groups * _GROUP_BYTES_4, vector, num_groups, lanes)
        start = block * BLOCK_ROWS
        for lane in range(min(BLOCK_ROWS, result.size - start)):
            result[start + lane] = products[lane]


def _group_rows(values, grouped):
    for row in range(values.shape[0]):
        group_values(values[row], grouped[row])


def _multiply_some(bits, address, num_columns, grouped, result, first, last):
    for block in range(first, last):
        for row in range(result.shape[0]):
            multiply_blocks(bits, address, num_columns, grouped[row], result[row], block, block + 1)


def _unpack(bits, address, num_groups, result, first, last):
    """Blocks from `first` to before `last` of a packed matrix, into columns of (32 G, 16 B)."""
    row_bytes = result.shape[1] * result.itemsize
    group_bytes = _GROUP_BYTES_8 if bits == 8 else _GROUP_BYTES_4
    for block in range(first, last):
        for index in range(num_groups):
            group = address + (block * num_groups + index) * group_bytes
            written = result.ctypes.data + index * GROUP * row_bytes + block * BLOCK_ROWS * result.itemsize
            if bits == 8:
                unpack_group_8(group, written, row_bytes, result)
            else:
                unpack_group_4(group, written, row_bytes, result)


_compiled = CompiledFunctions(
    (_pack, _group_rows, _multiply_some, _unpack),
    (_quantize, _outwards, _upper_half, group_values, multiply_blocks),
    fastmath={"contract", "nsz", "reassoc"},
)
