# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
What numba lacks: memory of tensors, and by its address, asked for ahead of time, and counters that threads share.

The functions without a body say what they do; kernels are compiled with those of [`memory_functions`] in their place.
"""

import functools
import importlib
from collections.abc import Callable

import numpy as np
import torch


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


def widen(value):
    """float32 as it is; uint16, the bits of bfloat16, as float32."""


@functools.cache
def memory_functions() -> dict[str, Callable]:
    """Those above, by name, for functions that numba compiles."""
    numba = importlib.import_module("numba")  # an import statement would make it a requirement of the remote code
    carray, types = numba.carray, numba.types
    intrinsic = importlib.import_module("numba.extending").intrinsic
    ir = importlib.import_module("llvmlite.ir")
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

    @numba.njit
    def array_at(address, size, like):
        return carray(pointer(address), (size,), like.dtype)

    functions = (array_at, prefetch, fetch_add, fetch, widen)
    return {function.__name__: function for function in functions}
