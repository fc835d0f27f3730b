# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
How numba compiles the functions of a module, and functions of a float32 for loops that it makes into vector instructions:
without branches, and without a call of a library for each value.
"""

import functools
import importlib
import logging
import math
import threading
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np


COMPILING = threading.RLock()  # for whoever compiles what others share
LOG2_E = np.float32(math.log2(math.e))
_LOWEST = np.float32(-126)  # exponent of 2 in float32
# What is added to it loses its fraction, and is found in the lowest bits, as the exponent of a float32 has it.
_ROUNDER = np.float32(1.5 * 2**23 + 127)
# exp2(f) for |f| <= 1/2, the Taylor series: its relative error is that of float32.
_E1, _E2, _E3, _E4, _E5, _E6 = (np.float32(math.log(2) ** n / math.factorial(n)) for n in range(1, 7))
# log(1 + v) = 2 (s + s^3 / 3 + s^5 / 5 + ...) with s = v / (2 + v), at most 1/3 here
_L3, _L5, _L7, _L9, _L11, _L13, _L15 = (np.float32(1 / n) for n in range(3, 16, 2))


def exp2(exponent):
    """Of exponents that are not positive."""
    bounded = max(exponent, _LOWEST)
    shifted = np.float32(bounded + _ROUNDER)
    f = bounded - np.float32(shifted - _ROUNDER)
    series = _E1 + f * (_E2 + f * (_E3 + f * (_E4 + f * (_E5 + f * _E6))))
    bits = np.int32(shifted.view(np.int32) << 23)  # of 2 to the whole part
    return (np.float32(1) + f * series) * bits.view(np.float32)


def silu(value):
    """value * sigmoid(value)"""
    e = exp2(-abs(value) * LOG2_E)
    return value * (np.float32(1) if value > 0 else e) / (np.float32(1) + e)


def sigmoid(value):
    """1 / (1 + exp(-value))"""
    e = exp2(-abs(value) * LOG2_E)
    return (np.float32(1) if value > 0 else e) / (np.float32(1) + e)


def softplus(value):
    """log(1 + exp(value))"""
    e = exp2(-abs(value) * LOG2_E)
    s = e / (np.float32(2) + e)
    q = s * s
    series = _L3 + q * (_L5 + q * (_L7 + q * (_L9 + q * (_L11 + q * (_L13 + q * _L15)))))
    return max(value, np.float32(0)) + np.float32(2) * s * (np.float32(1) + q * series)


@functools.cache
def _log_first_compilation() -> None:
    """Has the first compilation in a process logged: it takes seconds in which nothing else is to be seen."""
    events = importlib.import_module("numba.core.event")
    room, _, _ = __name__.rpartition(".")

    class Log(events.Listener):  # type: ignore[name-defined]
        is_first = True

        def on_start(self, event):
            if self.is_first and event.data["dispatcher"].py_func.__module__.startswith(f"{room}."):
                self.is_first = False
                logging.getLogger("transformers_mvgpt").info(
                    "numba compiles functions for this CPU, which takes some seconds once: later processes find them on disk."
                )

        def on_end(self, event):
            pass

    events.register("numba:compile", Log())


@functools.cache
def scalar_functions() -> dict[str, Callable]:
    """Those above, by name, compiled."""
    numba = importlib.import_module("numba")  # an import statement would make it a requirement of the remote code
    _log_first_compilation()
    functions, names = globals(), ("exp2", "silu", "sigmoid", "softplus")
    for name in names:
        # no "reassoc": it would cancel what rounds in `exp2`
        functions[name] = numba.njit(functions[name], nogil=True, error_model="numpy", fastmath={"contract", "nsz"})
    return {name: functions[name] for name in names}


def compile_in_place(
    functions: dict[str, Any],
    helpers: Iterable[str],
    kernels: Iterable[str],
    fastmath: set[str],
    **helper_options: Any,
) -> dict[str, Callable[..., None]]:
    """
    Puts compiled functions in the place of those of a module. numba keeps what it has made of the kernels for later processes;
    of a change in another file than theirs it learns nothing.

    Args:
        functions (`dict`): `globals()` of the module; those of [`scalar_functions`] come to it.
        helpers (`Iterable[str]`): names of the functions that kernels call.
        kernels (`Iterable[str]`): names of those that Python calls.
        fastmath (`set[str]`): which rules of floating point numbers may be broken.
        helper_options: more options of `numba.njit`, for helpers.

    Returns:
        `dict[str, Callable]`: the kernels, by name.
    """
    numba = importlib.import_module("numba")
    options = {"nogil": True, "error_model": "numpy", "fastmath": fastmath}
    functions.update(scalar_functions())
    for name in helpers:
        functions[name] = numba.njit(functions[name], **helper_options, **options)
    for name in kernels:
        try:
            functions[name] = numba.njit(functions[name], cache=True, **options)
        except RuntimeError:  # there is no place for a cache
            functions[name] = numba.njit(functions[name], **options)
    return {name: functions[name] for name in kernels}
