# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Settings of a whole process, which a library must not change but a program may."""

import os


def prepare_environment() -> None:
    """Makes torch and numba faster on a CPU. To be called before either is used; what the user has set stays."""
    # much of the time of an elementwise operation goes into getting its result's memory in small pages
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    if "NUMBA_CPU_FEATURES" not in os.environ and (features := _host_features()):
        os.environ["NUMBA_CPU_FEATURES"] = f"{features},-prefer-256-bit"


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
