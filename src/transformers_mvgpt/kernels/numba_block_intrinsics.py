# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
Products of weights in 8 or 4 bits with numbers in 16, for functions that numba compiles.

CPUs multiply pairs of 16-bit integers and add both products into 32 bits, in one instruction for a whole vector register. So a
token's numbers are written as 16-bit integers with a scale for each group of them, which is more exact than bfloat16, and each lane of
a register sums up one row of the weights.

The functions without a body say what they do; kernels are compiled with those of [`block_functions`] in their place.
"""

import functools
import importlib
from collections.abc import Callable
from typing import Any

from .numba_intrinsics import compiles_for


BLOCK_ROWS, GROUP = 16, 32
# Of what is in front of a group's weights: a scale for each row and, for 4 bits, a minimum. Both are bfloat16.
_HEAD_BYTES = {8: 2 * BLOCK_ROWS, 4: 4 * BLOCK_ROWS}
GROUP_BYTES = {bits: head + BLOCK_ROWS * GROUP * bits // 8 for bits, head in _HEAD_BYTES.items()}
_BYTES_AHEAD = {8: 512, 4: 1024}
_LINE_BYTES = 64


def multiply_block_8(block, grouped, num_groups, result):
    """
    Writes the products of 16 rows of weights in 8 bits and a vector.

    Args:
        block: address of `num_groups` groups, each of 16 scales and then, of (16 pairs of columns, 16 rows, 2), signed bytes. A weight
            is its scale times its byte.
        grouped: address of the vector: `num_groups` scales, as many sums of the scaled values of a group, both float32, and 32 values of
            each group, int16.
        num_groups: at least 1.
        result: address of 16 float32.
    """


def multiply_block_4(block, grouped, num_groups, result):
    """
    As [`multiply_block_8`], of weights in 4 bits: a group is 16 scales, 16 minima and then, of (4, 16 rows, 2), 16-bit integers. In each
    of these are four weights, the lowest bits first, of the same place in four pairs of columns that follow each other. A weight is its
    scale times its number, 0 to 15, plus its minimum.
    """


def unpack_group_8(group, result, row_bytes, like):
    """
    Writes the weights of a group of 16 rows, in 8 bits.

    Args:
        group: address of the group.
        result: address of `(32 columns, 16)`, in the dtype of `like`.
        row_bytes: from a column to the next.
        like: an array of float32, or of uint16 for bfloat16, to which weights are then rounded.
    """


def unpack_group_4(group, result, row_bytes, like):
    """As [`unpack_group_8`], of weights in 4 bits."""


@functools.cache
def block_functions() -> dict[str, Callable]:
    """Those above, by name, for functions that numba compiles."""
    types = importlib.import_module(
        "numba"
    ).types  # an import statement would make it a requirement of the remote code
    intrinsic = importlib.import_module("numba.extending").intrinsic
    ir = importlib.import_module("llvmlite.ir")
    byte, int16, int32, int64, float32 = *map(ir.IntType, (8, 16, 32, 64)), ir.FloatType()
    sums, integers = ir.VectorType(float32, BLOCK_ROWS), ir.VectorType(int32, BLOCK_ROWS)
    halves, shorts, byte_pairs = (
        ir.VectorType(kind, size)
        for kind, size in ((int16, BLOCK_ROWS), (int16, 2 * BLOCK_ROWS), (byte, 2 * BLOCK_ROWS))
    )

    def all_lanes(kind, value):
        return ir.Constant(kind, [value] * kind.count)

    def load(builder, start, offset, kind):
        place = builder.inttoptr(builder.add(start, int64(offset)), kind.as_pointer())
        return builder.load(place, align=1)

    def broadcast(builder, value, kind):
        lane = builder.insert_element(ir.Constant(kind, ir.Undefined), value, int32(0))
        return builder.shuffle_vector(lane, lane, all_lanes(integers, 0))

    def call(builder, name, result, *arguments):
        function = builder.module.globals.get(name)
        if function is None:
            function = ir.Function(builder.module, ir.FunctionType(result, [one.type for one in arguments]), name)
        return builder.call(function, arguments)

    def multiply_pairs(builder, one, other):
        """(16 x 2) times (16 x 2) int16, the two products of each pair added: 16 int32."""
        if compiles_for("avx512bw"):
            return call(builder, "llvm.x86.avx512.pmaddw.d.512", integers, one, other)
        if compiles_for("avx2"):
            order = ir.VectorType(int32, BLOCK_ROWS)
            lanes = [ir.Constant(order, list(range(first, first + BLOCK_ROWS))) for first in (0, BLOCK_ROWS)]
            parts = [[builder.shuffle_vector(vector, vector, half) for vector in (one, other)] for half in lanes]
            half_of_integers = ir.VectorType(int32, BLOCK_ROWS // 2)
            products = [call(builder, "llvm.x86.avx2.pmadd.wd", half_of_integers, *part) for part in parts]
            return builder.shuffle_vector(*products, lanes[0])
        sixteen = all_lanes(integers, 16)
        one, other = builder.bitcast(one, integers), builder.bitcast(other, integers)
        firsts = [builder.ashr(builder.shl(pairs, sixteen), sixteen) for pairs in (one, other)]
        seconds = [builder.ashr(pairs, sixteen) for pairs in (one, other)]
        return builder.add(builder.mul(*firsts), builder.mul(*seconds))

    def bytes_of_pair(builder, weights, pair):
        return builder.sext(load(builder, weights, 2 * BLOCK_ROWS * pair, byte_pairs), shorts)

    def nibbles_of_pair(builder, weights, pair):
        # of four pairs, the same is loaded
        loaded = load(builder, weights, 4 * BLOCK_ROWS * (pair // 4), shorts)
        shifted = builder.lshr(loaded, all_lanes(shorts, 4 * (pair % 4)))
        return builder.and_(shifted, all_lanes(shorts, 15))

    def multiply_add(builder, one, other, total):
        product = builder.fmul(one, other, flags=["contract"])
        return builder.fadd(product, total, flags=["contract"])

    def widen(builder, head, offset):
        """16 bfloat16 as float32."""
        bits = builder.zext(load(builder, head, offset, halves), integers)
        return builder.bitcast(builder.shl(bits, all_lanes(integers, 16)), sums)

    def define(bits, weights_of_pair):
        def generate(context, builder, signature, arguments):
            block, grouped, num_groups, result = arguments
            row_of_floats = builder.mul(num_groups, int64(4))
            all_sums = builder.add(grouped, row_of_floats)
            all_values = builder.add(all_sums, row_of_floats)
            start, loop, end = builder.block, builder.append_basic_block("loop"), builder.append_basic_block("end")
            builder.branch(loop)
            builder.position_at_end(loop)
            index, group, scale_at, sum_at, values = (builder.phi(int64) for _ in range(5))
            total = builder.phi(sums)
            for offset in range(0, GROUP_BYTES[bits], _LINE_BYTES):
                place = builder.inttoptr(builder.add(group, int64(_BYTES_AHEAD[bits] + offset)), byte.as_pointer())
                kinds = ir.FunctionType(ir.VoidType(), [place.type, int32, int32, int32])
                prefetch = builder.module.declare_intrinsic("llvm.prefetch", [place.type], kinds)
                builder.call(prefetch, [place, int32(0), int32(3), int32(1)])
            products: Any = all_lanes(integers, 0)
            weights = builder.add(group, int64(_HEAD_BYTES[bits]))
            for pair in range(GROUP // 2):
                both = broadcast(builder, load(builder, values, 4 * pair, int32), integers)
                pairs = weights_of_pair(builder, weights, pair)
                products = builder.add(products, multiply_pairs(builder, pairs, builder.bitcast(both, shorts)))
            of_vector = broadcast(builder, load(builder, scale_at, 0, float32), sums)
            scale = builder.fmul(widen(builder, group, 0), of_vector)
            after = multiply_add(builder, builder.sitofp(products, sums), scale, total)
            if bits == 4:
                of_group = broadcast(builder, load(builder, sum_at, 0, float32), sums)
                after = multiply_add(builder, widen(builder, group, 2 * BLOCK_ROWS), of_group, after)
            sizes = ((index, 1), (group, GROUP_BYTES[bits]), (scale_at, 4), (sum_at, 4), (values, 2 * GROUP))
            following = [*(builder.add(place, int64(size)) for place, size in sizes), after]
            firsts = [int64(0), block, grouped, all_sums, all_values, all_lanes(sums, 0.0)]
            phis = [*(place for place, _ in sizes), total]
            for phi, first, next_one in zip(phis, firsts, following, strict=True):
                phi.add_incoming(first, start)
                phi.add_incoming(next_one, loop)
            builder.cbranch(builder.icmp_signed("<", following[0], num_groups), loop, end)
            builder.position_at_end(end)
            builder.store(after, builder.inttoptr(result, sums.as_pointer()), align=4)
            return context.get_dummy_value()

        return types.void(*[types.int64] * 4), generate

    def round_to_bfloat16(builder, values):
        bits = builder.bitcast(values, integers)
        odd = builder.and_(builder.lshr(bits, all_lanes(integers, 16)), all_lanes(integers, 1))
        rounded = builder.add(bits, builder.add(odd, all_lanes(integers, 0x7FFF)))
        return builder.trunc(builder.lshr(rounded, all_lanes(integers, 16)), halves)

    def define_unpacking(bits, weights_of_pair, like):
        def generate(context, builder, signature, arguments):
            group, result, row_bytes, _ = arguments
            scale = widen(builder, group, 0)
            minimum = widen(builder, group, 2 * BLOCK_ROWS) if bits == 4 else all_lanes(sums, 0.0)
            weights = builder.add(group, int64(_HEAD_BYTES[bits]))
            for pair in range(GROUP // 2):
                both = builder.bitcast(weights_of_pair(builder, weights, pair), integers)
                first = builder.shl(both, all_lanes(integers, 16))
                for side, numbers in enumerate((first, both)):
                    numbers = builder.ashr(numbers, all_lanes(integers, 16))
                    values = multiply_add(builder, builder.sitofp(numbers, sums), scale, minimum)
                    if like.dtype != types.float32:
                        values = round_to_bfloat16(builder, values)
                    place = builder.add(result, builder.mul(int64(2 * pair + side), row_bytes))
                    builder.store(values, builder.inttoptr(place, values.type.as_pointer()), align=2)
            return context.get_dummy_value()

        return types.void(types.int64, types.int64, types.int64, like), generate

    @intrinsic
    def unpack_group_8(typing_context, group, result, row_bytes, like):
        return define_unpacking(8, bytes_of_pair, like)

    @intrinsic
    def unpack_group_4(typing_context, group, result, row_bytes, like):
        return define_unpacking(4, nibbles_of_pair, like)

    @intrinsic
    def multiply_block_8(typing_context, block, grouped, num_groups, result):
        return define(8, bytes_of_pair)

    @intrinsic
    def multiply_block_4(typing_context, block, grouped, num_groups, result):
        return define(4, nibbles_of_pair)

    functions = (multiply_block_8, multiply_block_4, unpack_group_8, unpack_group_4)
    return {function.__name__: function for function in functions}
