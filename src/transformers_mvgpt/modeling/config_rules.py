# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""What the value of a config's field may be: kinds of values with bounds, of which tables of limits are made."""

import math
import reprlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from huggingface_hub.errors import StrictDataclassClassValidationError, StrictDataclassFieldValidationError
from transformers import PreTrainedConfig
from transformers.activations import ACT2FN
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS


_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 100


class ConfigError(ValueError, StrictDataclassClassValidationError, StrictDataclassFieldValidationError):
    """A value of a config that cannot be, in one line. Whoever catches what `@strict` raises catches it too."""

    def __init__(self, message: str):
        Exception.__init__(self, message)


@dataclass(frozen=True)
class Rule:
    """
    Args:
        kind (`str`): what a value must be, for messages.
        is_kind (`Callable[[Any], bool]`): whether it is.
        lowest, highest (`float`): bounds of a number.
        optional (`bool`): whether it may be `None`.
        fields (`Mapping[str, Rule]`, *optional*): limits of the fields of a config in the config.
    """

    kind: str
    is_kind: Callable[[Any], bool]
    lowest: float = -math.inf
    highest: float = math.inf
    optional: bool = False
    fields: Mapping[str, "Rule"] | None = None

    def check(self, name: str, value: Any) -> None:
        """Raises a [`ConfigError`] if the value is none for this field."""
        if value is None and self.optional:
            return
        if not self.is_kind(value):
            raise ConfigError(f"field '{name}' must be {self.kind}, not {short(value)}.")
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            if value < self.lowest:
                raise ConfigError(f"`{name}` ({short(value)}) must be at least {self.lowest:g}.")
            if value > self.highest:
                raise ConfigError(f"`{name}` ({short(value)}) must be at most {self.highest:,}.")


def is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return is_whole(value) or (isinstance(value, float) and math.isfinite(value))


def _is_names(value: Any) -> bool:
    return isinstance(value, list) and len(value) <= 10_000 and all(isinstance(item, str) for item in value)


def _is_dtype(value: Any) -> bool:
    dtype = getattr(torch, value, None) if isinstance(value, str) else value
    return dtype in (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def _is_token_ids(value: Any) -> bool:
    items = value if isinstance(value, list) else [value]
    return len(items) <= 10_000 and all(is_whole(item) and -1 <= item < 2**31 for item in items)


def _is_labels(value: Any) -> bool:
    return isinstance(value, Mapping) and len(value) <= 100_000 and all(str(key).isdecimal() for key in value)


def _is_rope(value: Any) -> bool:
    """Numbers, short lists of them and names, also by type of layer."""
    if not isinstance(value, Mapping) or len(value) > 100:
        return False
    rope_type = value.get("rope_type", "default")
    if not isinstance(rope_type, str) or rope_type not in ("default", *ROPE_INIT_FUNCTIONS):
        return False
    theta, factor = value.get("rope_theta", 10_000.0), value.get("factor", 1.0)
    if not all(_is_number(item) and 0 < item <= 1e15 for item in (theta, 1.0 if factor is None else factor)):
        return False
    # more would be as much memory
    share = value.get("partial_rotary_factor")
    if not (share is None or (_is_number(share) and 0 < share <= 1)):
        return False
    return all(
        item is None
        or isinstance(item, (str, bool))
        or (_is_number(item) and abs(item) <= 1e15)
        or (isinstance(item, list) and len(item) <= 65_536 and all(map(_is_number, item)))
        or (isinstance(item, Mapping) and not any(isinstance(x, Mapping) for x in item.values()) and _is_rope(item))
        for item in value.values()
    )


def whole(lowest: float, highest: float, optional: bool = False) -> Rule:
    return Rule("an integer" + " or null" * optional, is_whole, lowest, highest, optional)


def number(lowest: float, highest: float, optional: bool = False) -> Rule:
    return Rule("a finite number" + " or null" * optional, _is_number, lowest, highest, optional)


def one_of(*names: str) -> Rule:
    """One of these words, or `None`."""
    listed = ", ".join(map(repr, names))
    return Rule(f"{listed} or null", lambda value: isinstance(value, str) and value in names, optional=True)


def config_of(fields: Mapping[str, Rule]) -> Rule:
    """A config in the config, or its dictionary, within these limits."""
    return Rule("an object", lambda value: isinstance(value, (dict, PreTrainedConfig)), optional=True, fields=fields)


FLAG = Rule("true or false", lambda value: isinstance(value, bool))
FLAG_OR_NONE = Rule("true, false or null", lambda value: isinstance(value, bool), optional=True)
OBJECT = Rule("an object", lambda value: isinstance(value, Mapping), optional=True)
TEXT = Rule("a string", lambda value: isinstance(value, str), optional=True)
TEXT_OR_TEXTS = Rule(
    "a string or an object of strings",
    lambda value: (
        isinstance(value, str)
        or (isinstance(value, Mapping) and all(isinstance(item, (str, type(None))) for item in value.values()))
    ),
    optional=True,
)
NAMES = Rule("a list of names", _is_names, optional=True)
DTYPE = Rule("the name of a floating point dtype, such as 'bfloat16'", _is_dtype, optional=True)
TOKEN_IDS = Rule("a token id, a list of them or null", _is_token_ids, optional=True)
ROPE = Rule("an object of positive numbers with a known `rope_type`", _is_rope, optional=True)
ACTIVATION = Rule("the name of an activation, such as 'silu'", lambda v: isinstance(v, str) and v in ACT2FN)
LABELS = Rule("an object with ids as keys", _is_labels, optional=True)
NOTHING = Rule("null: it is not supported", lambda value: value is None)
FILE_NAME = Rule(
    "the name of a file of the folder",
    lambda value: isinstance(value, str) and not set(value) & set("/\\:\0") and value not in ("", ".", ".."),
    optional=True,
)
SIDE = Rule("an integer", lambda value: is_whole(value) or isinstance(value, (list, tuple)), 1, 4096)

LAYERS, WIDTH, INNER, HEADS = whole(1, 1024), whole(1, 65_536), whole(1, 2**20), whole(1, 4096)
EPSILON, DROPOUT = number(0, 1), number(0, 1)


def short(value: Any) -> str:
    """A value for a message."""
    return _SHORT.repr(value)
