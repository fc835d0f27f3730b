# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""What can be chosen for a measurement. Nothing here loads torch, so that a wrong choice is an error at once."""

import re


DTYPES = ("float32", "bfloat16", "float16")
QUANTIZATIONS = ("int8", "int4")
PUBLISHED_SIZES = (
    "0.5b",
    "1.5b",
    "mobilevlm-1.7b",
    "mobilevlm-v2-1.7b",
    "mobilevlm-v2-3b",
    "tinyllava-video-3b",
)
BASELINE_NAMES = (
    "llava-onevision-0.5b",
    "smolvlm2-500m",
    "smolvlm2-256m",
    "fastvlm-0.5b",
    "lfm2-vl-450m",
    "qwen3.5-0.8b",
    "internvl3.5-1b",
)


def check_dtype(name: str) -> None:
    """
    Raises:
        ValueError: if `name` is none of [`DTYPES`].
    """
    if name not in DTYPES:
        raise ValueError(f"`--dtype` ({name}) must be {', '.join(DTYPES[:-1])} or {DTYPES[-1]}.")


def check_quantization_name(name: str) -> None:
    """
    Raises:
        ValueError: if `name` is none of [`QUANTIZATIONS`].
    """
    if name not in QUANTIZATIONS:
        raise ValueError(f"`quantization` ({name}) must be {' or '.join(QUANTIZATIONS)}.")


def check_baselines(names: list[str]) -> None:
    """
    Raises:
        ValueError: if one of the names is not in [`BASELINE_NAMES`].
    """
    if unknown := [name for name in names if name not in BASELINE_NAMES]:
        raise ValueError(
            f"There is no model {unknown[0]!r} to compare with: take {' or '.join(map(repr, BASELINE_NAMES))}."
        )


def parse_batch_sizes(sizes: str | None) -> list[int] | None:
    """
    Numbers with commas between them.

    Raises:
        ValueError: if they are others.
    """
    if not re.fullmatch(r"([1-9]\d*(,[1-9]\d*)*)?", sizes or ""):
        raise ValueError(f"`--batch-sizes` ({sizes}) must be positive numbers with commas between them: 1,8,32")
    return [int(size) for size in sizes.split(",")] if sizes else None
