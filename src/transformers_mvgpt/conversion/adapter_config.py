# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""What the `adapter_config.json` of a LoRA adapter says, as far as it may be believed."""

import math
import os
import re
from pathlib import Path
from typing import Any

from ..video.limits import shorten
from .weight_files import read_json


ADAPTER_CONFIG_FILE = "adapter_config.json"
# Adapters have ranks of 4 to 512; their matrices are made before their weights are looked at.
_LARGEST_RANK = 4096


def read_adapter_config(file: str) -> dict[str, Any]:
    """
    Raises:
        ValueError: if a value cannot be, naming file, key and value.
    """
    config = read_json(file)
    base = config.get("base_model_name_or_path")
    if base is not None and not isinstance(base, str):
        raise ValueError(f"`base_model_name_or_path` in {shorten(file)} is {shorten(repr(base))}, not a string.")
    if config.get("layer_replication") is not None:
        raise ValueError(f"`layer_replication` in {shorten(file)} is not supported.")
    for name, largest in (("rank_pattern", _LARGEST_RANK), ("alpha_pattern", math.inf)):
        pattern = config.get(name) or {}
        if not isinstance(pattern, dict):
            raise ValueError(f"`{name}` in {shorten(file)} is {shorten(repr(pattern))}, not an object.")
        for module, value in pattern.items():
            # peft takes it for a regular expression, and some of these take forever
            if not re.fullmatch(r"\^?[\w.\\]+\$?", module):
                raise ValueError(f"`{name}` in {shorten(file)} has {shorten(module)}, which is no name of a module.")
            _check_number(file, f"{name}.{module}", value, largest, name == "rank_pattern")
    _check_number(file, "r", config.get("r", 8), _LARGEST_RANK, True)
    _check_number(file, "lora_alpha", config.get("lora_alpha", 8), math.inf, False)
    return config


def _check_number(file: str, key: str, value: Any, largest: float, is_whole: bool) -> None:
    is_number = isinstance(value, int if is_whole else (int, float)) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value) or value <= 0 or value > largest:
        limit = f" from 1 to {largest}" if is_whole else " above 0"
        raise ValueError(
            f"`{shorten(key)}` in {shorten(file)} is {shorten(repr(value))}: it must be "
            f"{'an integer' if is_whole else 'a number'}{limit}."
        )


def check_base(folder: str, base: str | None) -> None:
    """
    An adapter may come from anywhere, and its config names the model to read: a repository on the Hub, or a folder in its own
    folder or beside it, as the stages of training leave them.

    Args:
        folder (`str`): folder or Hub id of the adapter.
        base (`str`, *optional*): what its config names.

    Raises:
        ValueError: if that is a folder anywhere else.
    """
    if base is None or not os.path.isdir(os.path.expanduser(base)):
        return
    place, own = Path(os.path.realpath(os.path.expanduser(base))), Path(os.path.realpath(folder))
    is_near = os.path.isdir(folder) and (own == place.parent or own in place.parents or place.parent == own.parent)
    if not is_near or ".." in Path(base).parts:
        raise ValueError(
            f"`base_model_name_or_path` in {ADAPTER_CONFIG_FILE} of {shorten(folder)} is {shorten(base)}, which is neither in that "
            "folder nor beside it: if you trust it, say yourself that this is the base model (`base_model=`, `--base-model`), or "
            "load it by its own path and then the adapter (`model.load_adapter(...)`)."
        )
