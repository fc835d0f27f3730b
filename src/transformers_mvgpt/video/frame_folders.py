# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Folders whose images are the frames of a video."""

import re
from collections.abc import Iterable


IMAGE_SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")


def frame_names(names: Iterable[str]) -> list[str]:
    """Of the names in a folder, those of frames, in the order of time: `frame_2` before `frame_10`."""
    found = (name for name in names if name.lower().endswith(IMAGE_SUFFIXES) and not name.startswith("."))
    return sorted(found, key=natural_order)


def natural_order(name: str) -> tuple[list[str | int], str]:
    """Sorts the runs of digits in a name as numbers; the odd parts of the split are those runs."""
    parts: list[str | int] = list(re.split(r"([0-9]+)", name.lower()))
    parts[1::2] = [int(digits) for digits in parts[1::2]]
    return parts, name
