# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Options of processors: their types, with errors in one line."""

import re
from collections.abc import Mapping
from types import UnionType
from typing import Any, Union, get_args, get_origin

import numpy as np
from huggingface_hub.dataclasses import validate_typed_dict
from huggingface_hub.errors import StrictDataclassError

from ..video.limits import shorten


# Of the families' video processors. A model that takes images alone has none of them, nor a name that is like one.
VIDEO_OPTIONS = frozenset(
    (
        *("start_seconds", "end_seconds", "sampling", "video_backend", "video_metadata"),
        *("num_frames", "max_frames", "fps", "do_sample_frames", "return_metadata"),
    )
)
NOT_FOR_IMAGES = "it is an option for videos, and this model takes images alone; leave it out, or pass frames of the video as images"


def checked_options(kinds: Any, options: Mapping[str, Any]) -> dict[str, Any]:
    """
    The options, with scalars of NumPy as Python's.

    Args:
        kinds: A `TypedDict` with the types of options. Options that it has not are left as they are.
        options (`dict`): The options.

    Raises:
        ValueError: if a value has another type; says which it must have.
    """
    plain = {name: value.item() if isinstance(value, np.generic) else value for name, value in options.items()}
    for name, value in plain.items():
        if name not in kinds.__annotations__:
            continue
        try:
            validate_typed_dict(kinds, {name: value})
        except StrictDataclassError as error:
            kind = _name(kinds.__annotations__[name])
            # what a validator of its own says is worth more
            reason = re.sub(r"^[^\n]*\n\s*\w+: ", "", str(error))
            hint = "" if reason.startswith("Field ") else f": {' '.join(reason.split())}"
            seconds = " Seconds are a number, such as 65.5 for 1:05.5." if name.endswith("_seconds") else ""
            raise ValueError(
                f"`{name}` must be {kind}, got {type(value).__name__} {shorten(repr(value))}{shorten(hint)}.{seconds}"
            ) from None
    return plain


def _name(kind: Any) -> str:
    """A type in words: "int, list[int] or None"."""
    if hasattr(kind, "__metadata__"):
        kind = kind.__origin__  # `Annotated`
    if get_origin(kind) in (Union, UnionType):
        *most, last = (_name(each) for each in get_args(kind))
        return f"{', '.join(most)} or {last}"
    if kind is type(None):
        return "None"
    return kind.__name__ if isinstance(kind, type) and not get_args(kind) else re.sub(r"\b\w+\.", "", str(kind))


__all__ = ["checked_options"]
