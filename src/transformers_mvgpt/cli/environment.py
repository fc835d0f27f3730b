# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Settings of a whole process, which a library must not change but a program may."""

import ctypes
import os
import sys


# glibc's names for two thresholds in bytes: in the environment, and (from malloc.h) in calls
_MALLOC_THRESHOLDS = {"MALLOC_TRIM_THRESHOLD_": -1, "MALLOC_MMAP_THRESHOLD_": -3}
_LARGEST_THRESHOLD = 2**31 - 1


def prepare_environment() -> None:
    """Makes torch and numba faster on a CPU. To be called before either is used; what the user has set stays."""
    # much of the time of an elementwise operation goes into getting its result's memory in small pages
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    _keep_freed_memory()
    if "NUMBA_CPU_FEATURES" not in os.environ and (features := _host_features()):
        os.environ["NUMBA_CPU_FEATURES"] = f"{features},-prefer-256-bit"


def _keep_freed_memory() -> None:
    """
    glibc gives the memory of a large tensor back to the system as soon as it is freed; when the next one takes it again,
    the system fills it with zeros, page by page. This keeps it for the next one.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is None or any(name in os.environ for name in _MALLOC_THRESHOLDS):
        return
    for parameter in _MALLOC_THRESHOLDS.values():
        mallopt(parameter, _LARGEST_THRESHOLD)


def _host_features() -> str | None:
    """
    LLVM's list, if it is of an x86 CPU that pays nothing for vectors of 512 bits: one from Sapphire Rapids on. LLVM takes
    half of their width on these as well, for the sake of older ones that slow down.
    """
    try:
        from llvmlite import binding
    except ImportError:
        return None
    features = binding.get_host_cpu_features()
    return features.flatten() if features.get("avx512fp16") else None
