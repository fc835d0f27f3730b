# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Settings of a whole process, which a library must not change but a program may."""

import ctypes
import logging
import os
import sys


# What other packages log although nothing is wrong: by logger, how the message begins before its arguments are put in.
_NO_TROUBLE = {
    # torchao 0.18, which transformers imports wherever it is installed. Can go when torchao no longer registers its enums.
    "torch.utils._pytree": "%s is an Enum subclass and is now natively supported by torch.compile",
    # bitsandbytes 0.50, which peft imports wherever it is installed: on some CPUs it looks for a kernel of its own layers, which no
    # model here has, in a package that it does not require. Can go when bitsandbytes looks when it needs it.
    "bitsandbytes.backends.cpu.ops": "Failed to load CPU gemm_4bit_forward from kernels-community",
}
# glibc's names for two thresholds in bytes: in the environment, and (from malloc.h) in calls. Before 2.35, it refuses more
# than 32 MiB for the first; the second, set alone, would make all worse.
_NAMES_IN_ENVIRONMENT = ("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_")
_M_MMAP_THRESHOLD, _M_TRIM_THRESHOLD = -3, -1
_LARGEST_THRESHOLDS = (2**31 - 1, 2**25)


def prepare_environment() -> None:
    """Makes torch and numba faster on a CPU. To be called before either is used; what the user has set stays."""
    # much of the time of an elementwise operation goes into getting its result's memory in small pages
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    # for its error messages, which none sees here, numba would have the terminal reset at the end of the process
    os.environ.setdefault("NUMBA_DISABLE_ERROR_MESSAGE_HIGHLIGHTING", "1")
    _keep_freed_memory()
    if "NUMBA_CPU_FEATURES" not in os.environ and (features := _host_features()):
        os.environ["NUMBA_CPU_FEATURES"] = f"{features},-prefer-256-bit"


def show_messages(*, is_quiet: bool = False) -> None:
    """Shows on stderr what the package has to say while it works, such as that it compiles something; if it is quiet, errors alone."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger = logging.getLogger("transformers_mvgpt")
    logger.addHandler(handler)
    logger.setLevel(logging.ERROR if is_quiet else logging.INFO)


def silence_others() -> None:
    """Keeps from stderr what other packages say although nothing is wrong. To be called before they are imported."""
    for name in _NO_TROUBLE:
        logging.getLogger(name).addFilter(_is_trouble)


def _is_trouble(record: logging.LogRecord) -> bool:
    return not str(record.msg).startswith(_NO_TROUBLE[record.name])


def hide_bars_of_transformers() -> None:
    """Its bars, such as that of the weights, which are mapped into memory at once. Those of downloads stay."""
    from huggingface_hub.utils import are_progress_bars_disabled, enable_progress_bars
    from transformers.utils import logging as transformers_logging

    is_disabled = are_progress_bars_disabled()
    transformers_logging.disable_progress_bar()
    if not is_disabled:
        enable_progress_bars()


def _keep_freed_memory() -> None:
    """
    glibc gives the memory of a large tensor back to the system as soon as it is freed; when the next one takes it again,
    the system fills it with zeros, page by page. This keeps it for the next one.
    """
    is_set = any(name in os.environ for name in _NAMES_IN_ENVIRONMENT)
    if sys.platform != "linux" or is_set or "glibc.malloc" in os.environ.get("GLIBC_TUNABLES", ""):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
    if mallopt is not None and any(mallopt(_M_MMAP_THRESHOLD, size) for size in _LARGEST_THRESHOLDS):
        mallopt(_M_TRIM_THRESHOLD, _LARGEST_THRESHOLDS[0])


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
