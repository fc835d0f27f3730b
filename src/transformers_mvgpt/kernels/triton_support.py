# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Triton, where it is installed: torch brings it on Linux, and torch 2.7 brought the first that knows tuples in kernels."""

import functools
import os
import shutil
import sysconfig
from types import SimpleNamespace

import torch


try:
    import triton
    import triton.language as tl
except ImportError:
    triton = None
if triton is None or tuple(map(int, triton.__version__.split(".")[:2])) < (3, 3):
    # kernels are never called then, but their annotations are looked up
    triton, tl = None, SimpleNamespace(constexpr=int)


def jit(function=None, *, same_for_all=()):
    """
    `triton.jit`, where there is one.

    Args:
        same_for_all (`Sequence[str]`): arguments for whose values, such as 1 and multiples of 16, nothing is compiled anew.
    """
    if function is None:
        return functools.partial(jit, same_for_all=same_for_all)
    return function if triton is None else triton.jit(function, do_not_specialize=same_for_all)


def runs_triton(device: torch.device) -> bool:
    """Whether kernels can be asked to run there: on a GPU, or anywhere in Triton's interpreter."""
    return triton is not None and (device.type == "cuda" or os.environ.get("TRITON_INTERPRET") == "1")


def _can_build_kernels() -> bool:
    compilers = [os.environ["CC"]] if "CC" in os.environ else ["gcc", "clang"]
    headers = os.path.join(sysconfig.get_paths()["include"], "Python.h")
    return triton is not None and any(map(shutil.which, compilers)) and os.path.exists(headers)


# Whether "auto" takes the kernels for a GPU. Triton compiles them by itself, but what launches them with the C compiler of the
# machine, against Python's headers; and on AMD's GPUs they have not been run. A constant, and not looked up when it is needed:
# `torch.compile` could not follow.
SUITS_AUTO = _can_build_kernels() and torch.version.hip is None
