# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
What numba lacks: memory of tensors, and by its address, asked for ahead of time, counters that threads share, and products of
bfloat16 matrices.

The functions without a body say what they do; kernels are compiled with those of [`memory_functions`] in their place.
"""

import functools
import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
import torch


# Of the result of [`add_product`]: its 12 x 2 vector registers, one of the left matrix and two of the right fit into 32.
TILE_ROWS, TILE_COLUMNS = 12, 32
# From a row of the left matrix to the next. Not a power of two: rows would take each other's places in the cache.
LEFT_ROW_BYTES = 1088
_LANES = 16  # float32 in a vector register


def shared_array(tensor: torch.Tensor) -> np.ndarray:
    """A tensor's own memory. NumPy has no bfloat16: uint16 holds its bits, the upper half of a float32's."""
    tensor = tensor.detach()
    return tensor.view(torch.int16).numpy().view(np.uint16) if tensor.dtype == torch.bfloat16 else tensor.numpy()


def array_at(address, size, like):
    """What is at an address (int64), as an array of one dimension in the dtype of `like`, another array."""


def prefetch(address):
    """Asks for the line of memory at an address (int64), which need not exist, and does not wait for it."""


def fetch_add(address, amount):
    """Adds to the int64 at an address, in one piece, and returns what it was before."""


def fetch(address):
    """The int64 at an address, as the last [`fetch_add`] left it; what was written before that can be read after this."""


@functools.cache
def has_bfloat16_products() -> bool:
    """Whether numba compiles for a CPU with AVX512-BF16."""
    return compiles_for("avx512bf16")


@functools.cache
def has_tile_products() -> bool:
    """Whether the CPU has AMX for bfloat16, which PyTorch uses and numba does not."""
    return "+amx-bf16" in _host_features().split(",")


def compiles_for(feature: str) -> bool:
    """
    Whether numba compiles for CPUs with a feature.

    Args:
        feature (`str`): as LLVM calls it.
    """
    told = importlib.import_module("numba").config.CPU_FEATURES
    return f"+{feature}" in (_host_features() if told is None else told).split(",")


def _host_features() -> str:
    try:
        return importlib.import_module("llvmlite.binding").get_host_cpu_features().flatten()
    except RuntimeError:  # LLVM does not know them for each kind of CPU
        return ""


def widen(value):
    """float32 as it is; uint16, the bits of bfloat16, as float32."""


def add_product(left, right, num_pairs, result, row_bytes):
    """
    Adds the product of two matrices of bfloat16 to one of float32, (TILE_ROWS, TILE_COLUMNS). It is fast with AVX512-BF16.

    Args:
        left: address of `(TILE_ROWS, 2 num_pairs)`, whose rows are `LEFT_ROW_BYTES` apart.
        right: address of `(num_pairs, TILE_COLUMNS, 2)`, where the two are of one column, and of rows that follow each other.
        num_pairs: half of the columns of `left`; at least 1.
        result: address of the sums, whose rows are `row_bytes` apart.
    """


@functools.cache
def memory_functions() -> dict[str, Callable]:
    """Those above, by name, for functions that numba compiles."""
    numba = importlib.import_module("numba")  # an import statement would make it a requirement of the remote code
    carray, types = numba.carray, numba.types
    intrinsic = importlib.import_module("numba.extending").intrinsic
    ir = importlib.import_module("llvmlite.ir")
    importlib.import_module("llvmlite.binding").initialize_native_asmparser()  # for `add_product`
    byte, int32, int64 = ir.IntType(8), ir.IntType(32), ir.IntType(64)

    @intrinsic
    def pointer(typing_context, address):
        def generate(context, builder, signature, arguments):
            return builder.inttoptr(arguments[0], byte.as_pointer())

        return types.voidptr(types.int64), generate

    @intrinsic
    def prefetch(typing_context, address):
        def generate(context, builder, signature, arguments):
            place = builder.inttoptr(arguments[0], byte.as_pointer())
            function_type = ir.FunctionType(ir.VoidType(), [place.type, int32, int32, int32])
            function = builder.module.declare_intrinsic("llvm.prefetch", [place.type], function_type)
            to_read, into_all_caches, data = int32(0), int32(3), int32(1)
            builder.call(function, [place, to_read, into_all_caches, data])
            return context.get_dummy_value()

        return types.void(types.int64), generate

    @intrinsic
    def fetch_add(typing_context, address, amount):
        def generate(context, builder, signature, arguments):
            place = builder.inttoptr(arguments[0], int64.as_pointer())
            return builder.atomic_rmw("add", place, arguments[1], "seq_cst")

        return types.int64(types.int64, types.int64), generate

    @intrinsic
    def fetch(typing_context, address):
        def generate(context, builder, signature, arguments):
            place = builder.inttoptr(arguments[0], int64.as_pointer())
            return builder.load_atomic(place, "seq_cst", 8)

        return types.int64(types.int64), generate

    @intrinsic
    def widen(typing_context, value):
        def generate(context, builder, signature, arguments):
            if signature.args[0] == types.float32:
                return arguments[0]
            bits = builder.shl(builder.zext(arguments[0], int32), int32(16))
            return builder.bitcast(bits, ir.FloatType())

        return types.float32(value), generate

    sums, pairs = ir.VectorType(ir.FloatType(), _LANES), ir.VectorType(int32, _LANES)

    def add_pairs(builder, tile, one, other):
        """To 16 sums the products of bfloat16, of which two are in each of 16 int32."""
        if has_bfloat16_products():
            # not LLVM's intrinsic, whose types are others in other releases
            function_type = ir.FunctionType(sums, [sums, pairs, pairs])
            return builder.asm(function_type, "vdpbf16ps $3, $2, $0", "=v,0,v,v", [tile, one, other], False)
        upper = ir.Constant(pairs, [-1 << 16] * _LANES)
        sixteen = ir.Constant(pairs, [16] * _LANES)
        for widened in (lambda pair: builder.shl(pair, sixteen), lambda pair: builder.and_(pair, upper)):
            factors = (builder.bitcast(widened(pair), sums) for pair in (one, other))
            tile = builder.fadd(tile, builder.fmul(*factors))
        return tile

    @intrinsic
    def add_product(typing_context, left, right, num_pairs, result, row_bytes):
        def generate(context, builder, signature, arguments):
            left, right, num_pairs, result, row_bytes = arguments

            def address(start, offset, kind):
                return builder.inttoptr(builder.add(start, int64(offset)), kind.as_pointer())

            register_bytes = range(0, 4 * TILE_COLUMNS, 4 * _LANES)
            rows = [builder.add(result, builder.mul(int64(row), row_bytes)) for row in range(TILE_ROWS)]
            places = [address(row, byte, sums) for row in rows for byte in register_bytes]
            before = [builder.load(place, align=4) for place in places]
            start, loop, end = builder.block, builder.append_basic_block("loop"), builder.append_basic_block("end")
            builder.branch(loop)
            builder.position_at_end(loop)
            index, left_now, right_now = (builder.phi(int64) for _ in range(3))
            tile = [builder.phi(sums) for _ in places]
            columns = [builder.load(address(right_now, byte, pairs), align=4) for byte in register_bytes]
            after: list[Any] = []
            for row in range(TILE_ROWS):
                pair = builder.load(address(left_now, row * LEFT_ROW_BYTES, int32), align=4)
                first_lane = builder.insert_element(ir.Constant(pairs, ir.Undefined), pair, int32(0))
                of_row = builder.shuffle_vector(first_lane, first_lane, ir.Constant(pairs, [0] * _LANES))
                after += [add_pairs(builder, tile[len(after) + k], column, of_row) for k, column in enumerate(columns)]
            following = [builder.add(index, int64(1)), builder.add(left_now, int64(4))]
            following += [builder.add(right_now, int64(4 * TILE_COLUMNS)), *after]
            firsts = [int64(0), left, right, *before]
            for phi, first, next_one in zip([index, left_now, right_now, *tile], firsts, following, strict=True):
                phi.add_incoming(first, start)
                phi.add_incoming(next_one, loop)
            builder.cbranch(builder.icmp_signed("<", following[0], num_pairs), loop, end)
            builder.position_at_end(end)
            for place, value in zip(places, after, strict=True):
                builder.store(value, place, align=4)
            return context.get_dummy_value()

        return types.void(*[types.int64] * 5), generate

    @numba.njit
    def array_at(address, size, like):
        return carray(pointer(address), (size,), like.dtype)

    functions = (array_at, prefetch, fetch_add, fetch, widen, add_product)
    return {function.__name__: function for function in functions}
