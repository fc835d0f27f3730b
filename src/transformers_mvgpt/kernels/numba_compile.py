# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
How functions are compiled by numba, and functions of a float32 for loops that it turns into vector instructions: without
branches, and without a call of a library for each value.
"""

import contextlib
import functools
import hashlib
import importlib
import inspect
import logging
import math
import threading
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import FunctionType
from typing import Any

import numpy as np

from .numba_block_intrinsics import block_functions
from .numba_intrinsics import memory_functions


_COMPILING = threading.RLock()
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


class CompiledFunctions:
    """
    Functions compiled by numba, as attributes: all of them when the first is asked for. They call each other, the functions
    above and those of `numba_intrinsics.py` and `numba_block_intrinsics.py` in the place of the Python functions of the same names. numba keeps the machine
    code of kernels on disk for later processes, as long as none of these files changes.

    Args:
        kernels (`Sequence[Callable]`): functions that Python calls.
        helpers (`Sequence[Callable]`): functions that kernels call.
        fastmath (`set[str]`): which rules of floating point numbers may be broken.
        helper_options: more options of `numba.njit`, for helpers.
    """

    def __init__(
        self,
        kernels: Sequence[Callable],
        helpers: Sequence[Callable] = (),
        *,
        fastmath: set[str],
        **helper_options: Any,
    ):
        self._kernels, self._helpers = kernels, helpers
        self._options = {"nogil": True, "error_model": "numpy", "fastmath": fastmath}
        self._helper_options = helper_options

    def __getattr__(self, name: str) -> Callable:
        """Only for what is not there yet: all functions at once."""
        if name.startswith("__"):
            raise AttributeError(name)
        with _COMPILING:
            if name not in self.__dict__:
                self.__dict__.update(self._compile())
        if name not in self.__dict__:
            raise AttributeError(name)
        return self.__dict__[name]

    def _compile(self) -> dict[str, Callable]:
        numba = importlib.import_module("numba")  # an import statement would make it a requirement of the remote code
        _log_first_compilation()
        compiled = {**_scalar_functions(), **memory_functions(), **block_functions()}
        digest = _digest_of_sources([*self._kernels, *self._helpers, exp2, memory_functions, block_functions])
        helpers, kernels = (
            [_copy(function) for function in functions] for functions in (self._helpers, self._kernels)
        )
        for helper in helpers:
            compiled[helper.__name__] = numba.njit(helper, **self._helper_options, **self._options)
        for kernel in kernels:
            # numba's file for it has this name, and so another one after a change of another file than the kernel's own
            kernel.__qualname__ = f"{kernel.__name__}_{digest}"
            try:
                compiled[kernel.__name__] = numba.njit(kernel, cache=True, **self._options)
            except RuntimeError:  # there is no place for a cache
                compiled[kernel.__name__] = numba.njit(kernel, **self._options)
        for function in (*helpers, *kernels):
            function.__globals__.update(compiled)
        return compiled


@functools.cache
def _log_first_compilation() -> None:
    """Has the first compilation in a process logged: it takes seconds in which nothing else is to be seen."""
    events = importlib.import_module("numba.core.event")
    room, _, _ = __name__.rpartition(".")

    class Log(events.Listener):  # type: ignore[name-defined]
        is_first = True

        def on_start(self, event):
            # of functions that other programs have made, a module need not be known
            module = getattr(event.data["dispatcher"].py_func, "__module__", None) or ""
            if self.is_first and module.startswith(f"{room}."):
                self.is_first = False
                logging.getLogger("transformers_mvgpt").info(
                    "numba compiles functions for this CPU, which takes some seconds once: later processes find them on disk."
                )

        def on_end(self, event):
            pass

    events.register("numba:compile", Log())


@functools.cache
def _scalar_functions() -> dict[str, Callable]:
    numba = importlib.import_module("numba")
    functions = [_copy(function) for function in (exp2, silu, sigmoid, softplus)]
    # no "reassoc": it would cancel what rounds in `exp2`
    options = {"nogil": True, "error_model": "numpy", "fastmath": {"contract", "nsz"}}
    compiled = {function.__name__: numba.njit(function, **options) for function in functions}
    for function in functions:
        function.__globals__.update(compiled)
    return compiled


def _copy(function: Callable) -> FunctionType:
    """With global names of its own, so that compiled functions can take the place of those of its file."""
    assert isinstance(function, FunctionType)
    return FunctionType(function.__code__, {**function.__globals__}, function.__name__)


def _digest_of_sources(functions: Iterable[Callable]) -> str:
    """Of the content of the files of these functions."""
    digest = hashlib.sha256()
    for file in sorted({inspect.getfile(inspect.unwrap(function)) for function in functions}):
        with contextlib.suppress(OSError):  # in an archive, where numba keeps nothing either
            digest.update(Path(file).read_bytes())
    return digest.hexdigest()[:16]
