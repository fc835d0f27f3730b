# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
A step of decoding on CPU, compiled by numba: one token through all layers of a Qwen2 or Llama language model.

A token needs every weight once, so that it can be as fast as memory is read. What keeps PyTorch from that: some 1,700 short
operations, and rows of matrices shorter than what a core must have on its way to keep memory busy. Here threads stay in one
function for all layers, and read four streams of rows, ahead of time.

The threads share the rows of a matrix and the heads of an attention: each takes the next ones from a counter, and goes on when
all are finished. What lies between matrices is done by every thread for itself. A shared vector is written once: a thread that
comes late finds all of them as they were, and one that never comes is not missed.

Results are rounded to bfloat16 where transformers' modules do it; sums, in float32, may run in another order. Matrices may be packed,
as `numba_packed_weights.py` does it; each thread then writes a vector as their products need it, for itself.

Symbols in the shape comments: N layers, h width, I width inside the MLP, H heads, G heads of keys and values, D width of a
head, P threads.
"""

from typing import NamedTuple

import numpy as np
import torch

from .numba_compile import LOG2_E, CompiledFunctions, exp2, silu
from .numba_intrinsics import array_at, fetch, fetch_add, prefetch, widen
from .numba_packed_weights import BLOCK_ROWS, floats_of_grouped, group_values, multiply_blocks
from .threads import share_work


# Of a layer, in the order of their addresses in a [`TokenStep`]; behind them, those of its keys and values.
LAYER_WEIGHTS = (
    "input_layernorm.weight",
    *(f"self_attn.{name}_proj.{part}" for name in "qkv" for part in ("weight", "bias")),
    "self_attn.o_proj.weight",
    "self_attn.o_proj.bias",
    "post_attention_layernorm.weight",
    *(f"mlp.{name}_proj.weight" for name in ("gate", "up", "down")),
)
_NORM, _Q, _Q_BIAS, _K, _K_BIAS, _V, _V_BIAS, _O, _O_BIAS, _NORM_2, _GATE, _UP, _DOWN, _KEYS, _VALUES = range(15)

# A counter is two numbers, what has been taken and what is finished, each in a line of the cache for itself.
_COUNTERS_PER_LAYER, _COUNTER_BYTES = 8, 128
_LINE_BYTES = 64
_CHUNK_BYTES = 1 << 20  # of a matrix, taken at once
_BYTES_AHEAD = 1024
_COLUMNS = 128  # of four rows, multiplied before more is asked for


class TokenStep(NamedTuple):
    """
    Args:
        addresses (`np.ndarray` of shape `(N, 15)`, int64): of `LAYER_WEIGHTS`, keys and values; 0 where there is no bias.
        hidden (`np.ndarray` of shape `(h,)`, float32): the token's embedding.
        cosine, sine (`np.ndarray` of shape `(D,)`, float32): of its position.
        num_heads, num_key_heads (`int`): H, G.
        inner_width (`int`): I.
        num_cached (`int`): tokens before this one.
        capacity (`int`): tokens for which keys and values, `(G, capacity, D)` in memory, have a place.
        scaling (`float`): of the products of queries and keys.
        epsilon (`float`): of the norms.
        bits (`int`): of packed matrices: 8 or 4; 0 where they are in the dtype of all else.
    """

    addresses: np.ndarray
    hidden: np.ndarray
    cosine: np.ndarray
    sine: np.ndarray
    num_heads: int
    num_key_heads: int
    inner_width: int
    num_cached: int
    capacity: int
    scaling: float
    epsilon: float
    bits: int = 0


def decode_token(step: TokenStep, dtype: torch.dtype) -> np.ndarray:
    """
    Takes a token through the layers, and writes its keys and values behind the others.

    Args:
        step ([`TokenStep`]): what to do.
        dtype (`torch.dtype`): float32 or bfloat16, of everything that has an address, but for packed matrices.

    Returns:
        `np.ndarray` of shape `(h,)`, float32: the hidden state before the last norm.
    """
    kernel, num_threads = _compiled._step, torch.get_num_threads()
    num_layers, width, head_width = len(step.addresses), step.hidden.size, step.cosine.size
    num_projected = (step.num_heads + 2 * step.num_key_heads) * head_width
    widths = (num_projected, step.num_heads * head_width, width, step.inner_width, step.inner_width, width)
    shared = [np.empty((num_layers, size), np.float32) for size in widths]
    grouped_size = floats_of_grouped(max(widths)) if step.bits else 0
    own_size = width + step.inner_width + 3 * head_width + grouped_size + step.num_cached + 1
    own = np.empty((num_threads, own_size), np.float32)
    counters = _new_counters(num_layers * _COUNTERS_PER_LAYER)
    hidden = np.repeat(step.hidden[None], num_threads, axis=0)
    others = step._replace(hidden=hidden), *shared, own, counters.ctypes.data, num_threads
    share_work(lambda part: kernel(_like(dtype), *others, part), range(num_threads))
    return hidden[0]


def multiply_row(weight: torch.Tensor, row: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
    """
    The product of a matrix and a vector, and a bias added to it.

    Args:
        weight (`torch.Tensor` of shape `(rows, columns)`): contiguous, of float32 or bfloat16.
        row (`torch.Tensor` of shape `(columns,)`): in the dtype of `weight`.
        bias (`torch.Tensor` of shape `(rows,)`, *optional*): likewise.

    Returns:
        `torch.Tensor` of shape `(rows,)`, in the dtype of `weight`.
    """
    kernel, num_threads = _compiled._multiply, torch.get_num_threads()
    values, counters = as_array(row), _new_counters(1)
    result = np.empty(weight.shape[0], np.float32)
    bias_address = 0 if bias is None else bias.data_ptr()
    others = values, np.empty(0, np.float32), result, counters.ctypes.data, num_threads
    share_work(lambda _: kernel(_like(weight.dtype), 0, weight.data_ptr(), bias_address, *others), range(num_threads))
    return torch.from_numpy(result).to(weight.dtype)


def as_array(tensor: torch.Tensor) -> np.ndarray:
    """All its values in a row, of float32."""
    return tensor.detach().float().reshape(-1).numpy()


def _new_counters(count: int) -> np.ndarray:
    return np.zeros(count * _COUNTER_BYTES // 8, np.int64)


def _like(dtype: torch.dtype) -> np.ndarray:
    """Tells a kernel of what dtype addresses are. NumPy has no bfloat16: its bits are the upper half of a float32's."""
    return np.empty(0, np.uint16 if dtype == torch.bfloat16 else np.float32)


def _round(like, values):
    """In place, to the nearest value of a dtype, ties to even."""
    if like.itemsize == 2:
        bits = values.view(np.uint32)
        for k in range(bits.size):
            odd = (bits[k] >> np.uint32(16)) & np.uint32(1)
            bits[k] = (bits[k] + np.uint32(0x7FFF) + odd) & np.uint32(0xFFFF0000)


def _normalize(like, weight_address, values, epsilon, result):
    """The RMSNorm of Qwen2 and Llama."""
    weight = array_at(weight_address, values.size, like)
    square = np.float32(0)
    for k in range(values.size):
        square += values[k] * values[k]
    factor = np.float32(1) / np.sqrt(square / np.float32(values.size) + epsilon)
    for k in range(values.size):
        result[k] = values[k] * factor
    _round(like, result)
    for k in range(values.size):
        result[k] *= widen(weight[k])
    _round(like, result)


def _multiply_rows(like, address, x, result, first, last):
    """
    Rows from `first` to before `last` of a matrix, times x, into the same places of the result: of each quarter of them one at a
    time. The hardware sees four streams, each of which it can run ahead of; of four rows side by side it sees none.
    """
    # unsigned: numba looks whether a signed index counts from the end, and then there are no vector instructions
    num_columns, one, columns = np.uint64(x.size), np.uint64(1), np.uint64(_COLUMNS)
    weights = array_at(address, result.size * x.size, like)
    row, end = np.uint64(first), np.uint64(last)
    quarter = (end - row) // np.uint64(4)
    quarter_bytes = np.int64(quarter * num_columns) * like.itemsize
    row_bytes = x.size * like.itemsize
    step_bytes = _COLUMNS * like.itemsize
    end_of_quarter = row + quarter
    while row < end_of_quarter:
        start_0 = row * num_columns
        start_1 = start_0 + quarter * num_columns
        start_2 = start_1 + quarter * num_columns
        start_3 = start_2 + quarter * num_columns
        sum_0, sum_1, sum_2, sum_3 = np.float32(0), np.float32(0), np.float32(0), np.float32(0)
        ahead = address + np.int64(row) * row_bytes + _BYTES_AHEAD
        for left in range(np.uint64(0), num_columns, columns):
            for byte in range(0, min(step_bytes, row_bytes - np.int64(left) * like.itemsize), _LINE_BYTES):
                prefetch(ahead + byte)
                prefetch(ahead + byte + quarter_bytes)
                prefetch(ahead + byte + 2 * quarter_bytes)
                prefetch(ahead + byte + 3 * quarter_bytes)
            ahead += step_bytes
            for k in range(left, min(left + columns, num_columns)):
                value = x[k]
                sum_0 += widen(weights[start_0 + k]) * value
                sum_1 += widen(weights[start_1 + k]) * value
                sum_2 += widen(weights[start_2 + k]) * value
                sum_3 += widen(weights[start_3 + k]) * value
        result[row] = sum_0
        result[row + quarter] = sum_1
        result[row + quarter + quarter] = sum_2
        result[row + quarter + quarter + quarter] = sum_3
        row += one
    row += quarter + quarter + quarter
    while row < end:
        total = np.float32(0)
        start = row * num_columns
        for k in range(num_columns):
            total += widen(weights[start + k]) * x[k]
        result[row] = total
        row += one


def _group(bits, x, grouped):
    """Writes a vector as products with packed matrices need it, if they are packed."""
    if bits != 0:
        group_values(x, grouped)


def _multiply(like, bits, address, bias_address, x, grouped, result, counter, num_threads):
    """
    A thread's part of a matrix times x (+ a bias): of the rows, those that no other has taken. A packed matrix needs x in `grouped`.
    """
    num_rows = result.size
    row_bytes = x.size * like.itemsize if bits == 0 else x.size * bits // 8 + 1
    fewest_rows = 4 if bits == 0 else BLOCK_ROWS
    most_rows = _CHUNK_BYTES // row_bytes + 1
    rows_per_chunk = min(most_rows, num_rows // num_threads + 1) // fewest_rows * fewest_rows + fewest_rows
    bias = array_at(bias_address, num_rows, like)
    while True:
        first = fetch_add(counter, rows_per_chunk)
        if first >= num_rows:
            break
        last = min(first + rows_per_chunk, num_rows)
        if bits == 0:
            _multiply_rows(like, address, x, result, first, last)
        else:
            last_block = (last + BLOCK_ROWS - 1) // BLOCK_ROWS
            multiply_blocks(bits, address, x.size, grouped, result, first // BLOCK_ROWS, last_block)
        if bias_address != 0:
            for row in range(first, last):
                result[row] += widen(bias[row])
        _round(like, result[first:last])
        fetch_add(counter + _LINE_BYTES, last - first)


def _wait(counter, total):
    while fetch(counter + _LINE_BYTES) < total:
        pass


def _add_product(like, bits, address, bias_address, x, grouped, product, counter, num_threads, hidden):
    """Adds a matrix times x (+ a bias) to the hidden state, as soon as all threads have made it."""
    _group(bits, x, grouped)
    _multiply(like, bits, address, bias_address, x, grouped, product, counter, num_threads)
    _wait(counter, product.size)
    for k in range(hidden.size):
        hidden[k] += product[k]
    _round(like, hidden)


def _store(like, values, address):
    stored = array_at(address, values.size, like)
    bits = values.view(np.uint32)
    for k in range(values.size):
        if like.itemsize == 2:
            stored[k] = bits[k] >> np.uint32(16)
        else:
            stored[k] = values[k]


def _rotate(like, values, cosine, sine, turned, result):
    """The rotary position embedding of a head: values times cosine, and their halves, exchanged, times sine."""
    half = values.size // 2
    for k in range(half):
        turned[k] = -values[half + k] * sine[k]
        turned[half + k] = values[k] * sine[half + k]
    for k in range(values.size):
        result[k] = values[k] * cosine[k]
    _round(like, turned)
    _round(like, result)
    for k in range(values.size):
        result[k] += turned[k]
    _round(like, result)


def _attend(like, values_address, value, query, key, keys_address, scaling, scores, result):
    """
    The attention of a head, to the cached keys and values, (tokens, D) in memory, and to the token's own.
    """
    num_cached, width = scores.size - 1, query.size
    _multiply_rows(like, keys_address, query, scores, 0, num_cached)
    own = np.float32(0)
    for k in range(width):
        own += query[k] * key[k]
    scores[num_cached] = own
    highest = scores[0]
    for k in range(scores.size):
        highest = max(highest, scores[k])
    factor = scaling * LOG2_E
    for k in range(scores.size):
        scores[k] = exp2((scores[k] - highest) * factor)
    total = np.float32(0)
    for k in range(scores.size):
        total += scores[k]

    values = array_at(values_address, num_cached * width, like)
    for k in range(width):
        result[k] = scores[num_cached] * value[k]
    size, token, count = np.uint64(width), np.uint64(0), np.uint64(num_cached)
    while token + np.uint64(4) <= count:
        weight_0, weight_1 = scores[token], scores[token + np.uint64(1)]
        weight_2, weight_3 = scores[token + np.uint64(2)], scores[token + np.uint64(3)]
        start = token * size
        for k in range(size):
            place = start + k
            result[k] += (
                weight_0 * widen(values[place])
                + weight_1 * widen(values[place + size])
                + weight_2 * widen(values[place + size + size])
                + weight_3 * widen(values[place + size + size + size])
            )
        token += np.uint64(4)
    while token < count:
        for k in range(size):
            result[k] += scores[token] * widen(values[token * size + k])
        token += np.uint64(1)
    for k in range(width):
        result[k] /= total
    _round(like, result)


def _step(
    like,
    step,
    all_projected,  # (N, (H + 2 G) D), and so on: a row for each layer
    all_attended,
    all_returned,
    all_gates,
    all_ups,
    all_downs,
    own,  # (P, ...)
    counters,
    num_threads,
    part,
):
    """What a thread does of a [`TokenStep`], whose `hidden` is (P, h)."""
    addresses, hidden_states, cosine, sine, num_heads, num_key_heads, inner_width, num_cached, capacity = step[:9]
    scaling, epsilon = np.float32(step.scaling), np.float32(step.epsilon)
    hidden = hidden_states[part]
    width, head_width = hidden.size, cosine.size
    normed, inner, rest = own[part, :width], own[part, width : width + inner_width], own[part, width + inner_width :]
    query, key, turned = rest[:head_width], rest[head_width : 2 * head_width], rest[2 * head_width : 3 * head_width]
    scores, grouped = rest[3 * head_width :][: num_cached + 1], rest[3 * head_width + num_cached + 1 :]
    bits = step.bits
    queries_end, keys_end = num_heads * head_width, (num_heads + num_key_heads) * head_width
    token_bytes = head_width * like.itemsize
    head_bytes = capacity * token_bytes
    heads_per_key = num_heads // num_key_heads
    counter = counters
    for layer in range(addresses.shape[0]):
        projected, attended, returned = all_projected[layer], all_attended[layer], all_returned[layer]
        gates, ups, downs = all_gates[layer], all_ups[layer], all_downs[layer]
        at = addresses[layer]
        _normalize(like, at[_NORM], hidden, epsilon, normed)
        _group(bits, normed, grouped)
        _multiply(like, bits, at[_Q], at[_Q_BIAS], normed, grouped, projected[:queries_end], counter, num_threads)
        counter += _COUNTER_BYTES
        _multiply(
            like, bits, at[_K], at[_K_BIAS], normed, grouped, projected[queries_end:keys_end], counter, num_threads
        )
        counter += _COUNTER_BYTES
        _multiply(like, bits, at[_V], at[_V_BIAS], normed, grouped, projected[keys_end:], counter, num_threads)
        _wait(counter - 2 * _COUNTER_BYTES, queries_end)
        _wait(counter - _COUNTER_BYTES, keys_end - queries_end)
        _wait(counter, keys_end - queries_end)

        counter += _COUNTER_BYTES
        while True:
            head = fetch_add(counter, 1)
            if head >= num_heads:
                break
            key_head = head // heads_per_key
            key_start, value_start = queries_end + key_head * head_width, keys_end + key_head * head_width
            value = projected[value_start : value_start + head_width]
            result = attended[head * head_width : (head + 1) * head_width]
            _rotate(like, projected[head * head_width : (head + 1) * head_width], cosine, sine, turned, query)
            _rotate(like, projected[key_start : key_start + head_width], cosine, sine, turned, key)
            keys_address, values_address = at[_KEYS] + key_head * head_bytes, at[_VALUES] + key_head * head_bytes
            if head % heads_per_key == 0:
                _store(like, key, keys_address + num_cached * token_bytes)
                _store(like, value, values_address + num_cached * token_bytes)
            _attend(like, values_address, value, query, key, keys_address, scaling, scores, result)
            fetch_add(counter + _LINE_BYTES, 1)
        _wait(counter, num_heads)

        counter += _COUNTER_BYTES
        _add_product(like, bits, at[_O], at[_O_BIAS], attended, grouped, returned, counter, num_threads, hidden)

        _normalize(like, at[_NORM_2], hidden, epsilon, normed)
        _group(bits, normed, grouped)
        counter += _COUNTER_BYTES
        _multiply(like, bits, at[_GATE], 0, normed, grouped, gates, counter, num_threads)
        counter += _COUNTER_BYTES
        _multiply(like, bits, at[_UP], 0, normed, grouped, ups, counter, num_threads)
        _wait(counter - _COUNTER_BYTES, inner_width)
        _wait(counter, inner_width)
        for k in range(inner_width):
            inner[k] = silu(gates[k])
        _round(like, inner)
        for k in range(inner_width):
            inner[k] *= ups[k]
        _round(like, inner)

        counter += _COUNTER_BYTES
        _add_product(like, bits, at[_DOWN], 0, inner, grouped, downs, counter, num_threads, hidden)
        counter += _COUNTER_BYTES


# "reassoc": a sum runs in as many parts as a vector register has
_compiled = CompiledFunctions(
    (_multiply, _step),
    (
        _round,
        _normalize,
        _multiply_rows,
        _wait,
        _add_product,
        _store,
        _rotate,
        _attend,
        _group,
        group_values,
        multiply_blocks,
    ),
    fastmath={"contract", "nsz", "reassoc"},
)
