# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Functions of single numbers that Triton kernels share, in float32."""

from .triton_support import jit, tl


@jit
def sigmoid(x):
    # of -|x|, so that exp cannot overflow
    small = tl.exp(-tl.abs(x))
    return tl.where(x >= 0, 1.0, small) / (1.0 + small)


@jit
def softplus(x):
    """
    max(x, 0) + log(1 + v) with v = exp(-|x|), where log(1 + v) = 2 (s + s³/3 + s⁵/5 + ...) with s = v / (2 + v) <= 1/3.
    A logarithm of 1 + v would round small v, and with them small time steps, away.
    """
    v = tl.exp(-tl.abs(x))
    s = v / (2.0 + v)
    s2 = s * s
    series = 1.0 / 13 + s2 * (1.0 / 15)
    series = 1.0 / 9 + s2 * (1.0 / 11 + s2 * series)
    series = 1.0 + s2 * (1.0 / 3 + s2 * (1.0 / 5 + s2 * (1.0 / 7 + s2 * series)))
    return tl.maximum(x, 0.0) + 2.0 * s * series
