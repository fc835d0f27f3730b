# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""What the fields of a config may be. A `config.json` comes from anywhere: it must not cost memory or time before it is checked."""

import functools
import inspect
import math
import os
import reprlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from huggingface_hub.dataclasses import strict
from huggingface_hub.errors import (
    StrictDataclassClassValidationError,
    StrictDataclassError,
    StrictDataclassFieldValidationError,
)
from transformers import PreTrainedConfig
from transformers.activations import ACT2FN
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS
from transformers.models.auto.configuration_auto import CONFIG_MAPPING


Config = TypeVar("Config", bound=type[PreTrainedConfig])

# What code that expects another value runs into.
ERRORS_OF_VALUES = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)

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
    """

    kind: str
    is_kind: Callable[[Any], bool]
    lowest: float = -math.inf
    highest: float = math.inf
    optional: bool = False

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


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return _is_whole(value) or (isinstance(value, float) and math.isfinite(value))


def _is_names(value: Any) -> bool:
    return isinstance(value, list) and len(value) <= 10_000 and all(isinstance(item, str) for item in value)


def _is_dtype(value: Any) -> bool:
    dtype = getattr(torch, value, None) if isinstance(value, str) else value
    return dtype in (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def _is_token_ids(value: Any) -> bool:
    items = value if isinstance(value, list) else [value]
    return len(items) <= 10_000 and all(_is_whole(item) and -1 <= item < 2**31 for item in items)


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
    return all(
        item is None
        or isinstance(item, (str, bool))
        or (_is_number(item) and abs(item) <= 1e15)
        or (isinstance(item, list) and len(item) <= 65_536 and all(map(_is_number, item)))
        or (isinstance(item, Mapping) and not any(isinstance(x, Mapping) for x in item.values()) and _is_rope(item))
        for item in value.values()
    )


def _whole(lowest: float, highest: float, optional: bool = False) -> Rule:
    return Rule("an integer" + " or null" * optional, _is_whole, lowest, highest, optional)


def _number(lowest: float, highest: float, optional: bool = False) -> Rule:
    return Rule("a finite number" + " or null" * optional, _is_number, lowest, highest, optional)


_FLAG = Rule("true or false", lambda value: isinstance(value, bool))
_FLAG_OR_NONE = Rule("true, false or null", lambda value: isinstance(value, bool), optional=True)
_OBJECT = Rule("an object", lambda value: isinstance(value, Mapping), optional=True)
_TEXT = Rule("a string", lambda value: isinstance(value, str), optional=True)
_CONFIG = Rule("an object", lambda value: isinstance(value, (dict, PreTrainedConfig)), optional=True)
_NAMES = Rule("a list of names", _is_names, optional=True)
_DTYPE = Rule("the name of a floating point dtype, such as 'bfloat16'", _is_dtype, optional=True)
_TOKEN_IDS = Rule("a token id, a list of them or null", _is_token_ids, optional=True)
_ROPE = Rule("an object of positive numbers with a known `rope_type`", _is_rope, optional=True)
_ACTIVATION = Rule("the name of an activation, such as 'silu'", lambda v: isinstance(v, str) and v in ACT2FN)
_LABELS = Rule("an object with ids as keys", _is_labels, optional=True)
_NOTHING = Rule("null: it is not supported", lambda value: value is None)
_FILE_NAME = Rule(
    "the name of a file of the folder",
    lambda value: isinstance(value, str) and not set(value) & set("/\\:\0") and value not in ("", ".", ".."),
    optional=True,
)
_SIDE = Rule("an integer", lambda value: _is_whole(value) or isinstance(value, (list, tuple)), 1, 4096)

_LAYERS, _WIDTH, _INNER, _HEADS = _whole(1, 1024), _whole(1, 65_536), _whole(1, 2**20), _whole(1, 4096)
_EPSILON, _DROPOUT = _number(0, 1), _number(0, 1)

# Of every config, where it has such a field
_ANY = {
    "architectures": _NAMES,
    "dtype": _DTYPE,
    "torch_dtype": _DTYPE,
    "hidden_act": _ACTIVATION,
    "id2label": _LABELS,
    "label2id": _OBJECT,
    "num_labels": _whole(0, 100_000, optional=True),
    "problem_type": _TEXT,
    "chunk_size_feed_forward": _whole(0, 2**20),
    "is_encoder_decoder": Rule("false", lambda value: value is False),
    "initializer_range": _number(0, 100),
    "output_attentions": _FLAG_OR_NONE,
    "output_hidden_states": _FLAG_OR_NONE,
    "return_dict": _FLAG_OR_NONE,
    "quantization_config": Rule(
        "an object", lambda value: isinstance(value, Mapping) or hasattr(value, "to_dict"), optional=True
    ),
    "transformers_weights": _FILE_NAME,
    "attn_implementation": _TEXT,
    "layer_types": _NAMES,
    "rope_parameters": _ROPE,
    "rope_scaling": _ROPE,
    # layers of different sizes, and patches of transformers' own classes
    "per_layer_config": _NOTHING,
    "fusion_config": _NOTHING,
}

VISION_LIMITS = {
    "hidden_size": _WIDTH,
    "intermediate_size": _INNER,
    "projection_dim": _WIDTH,
    "num_hidden_layers": _LAYERS,
    "num_attention_heads": _HEADS,
    "num_channels": _whole(1, 64),
    "image_size": _SIDE,
    "patch_size": _SIDE,
    "layer_norm_eps": _EPSILON,
    "attention_dropout": _DROPOUT,
    "initializer_factor": _number(0, 100),
}

VIDEOMAMBA_LIMITS = {
    "hidden_size": _WIDTH,
    "num_hidden_layers": _LAYERS,
    "state_size": _whole(1, 4096),
    "expand": _whole(1, 64),
    "conv_kernel": _whole(1, 1024),
    "time_step_rank": Rule(
        "'auto' or an integer", lambda value: isinstance(value, str) or _is_whole(value), highest=65_536
    ),
    "layer_norm_epsilon": _EPSILON,
    "residual_in_fp32": _FLAG,
    "image_size": _whole(1, 4096),
    "patch_size": _whole(1, 4096),
    "tubelet_size": _whole(1, 4096),
    "num_frames": _whole(1, 4096),
    "num_channels": _whole(1, 64),
    "clip_decoder_size": _whole(0, 65_536, optional=True),
    "time_step_min": _number(1e-12, 1e3),
    "time_step_max": _number(1e-12, 1e3),
    "time_step_floor": _number(1e-12, 1e3),
}

TEXT_LIMITS = {
    "model_type": Rule(
        "the type of a language model, such as 'qwen2'",
        lambda value: isinstance(value, str) and value in CONFIG_MAPPING,
    ),
    "vocab_size": _whole(1, 2**24),
    "hidden_size": _WIDTH,
    "intermediate_size": _INNER,
    "num_hidden_layers": _LAYERS,
    "num_attention_heads": _HEADS,
    "num_key_value_heads": _whole(1, 4096, optional=True),
    "head_dim": _whole(1, 4096, optional=True),
    "max_position_embeddings": _whole(1, 2**27),
    "max_window_layers": _whole(0, 2**20, optional=True),
    "sliding_window": _whole(1, 2**27, optional=True),
    "use_sliding_window": _FLAG,
    "use_cache": _FLAG,
    "tie_word_embeddings": _FLAG_OR_NONE,
    "rms_norm_eps": _EPSILON,
    "attention_dropout": _DROPOUT,
    "rope_theta": _number(1e-3, 1e15, optional=True),
    "bos_token_id": _TOKEN_IDS,
    "eos_token_id": _TOKEN_IDS,
    "pad_token_id": _TOKEN_IDS,
}

MOBILE_VIDEOGPT_LIMITS = {
    # their lowest values depend on one another, and are checked with them
    "num_frames": _whole(-math.inf, 4096),
    "frames_per_chunk": _whole(-math.inf, 4096),
    "num_selected_frames": _whole(-math.inf, 4096),
    "select_most_attended": _FLAG,
    "vision_feature_layer": _whole(-math.inf, math.inf),
    "image_grid_size": _whole(-math.inf, 4096),
    "video_grid_size": _whole(-math.inf, 4096),
    "image_token_id": _whole(0, 2**31 - 1),
    "video_token_id": _whole(0, 2**31 - 1),
    "tie_word_embeddings": _FLAG_OR_NONE,
    "image_mm_vision_tower": _TEXT,
    "mm_vision_tower": _TEXT,
    "vision_config": _CONFIG,
    "video_config": _CONFIG,
    "text_config": _CONFIG,
}

_SECTIONS = {"vision_config": VISION_LIMITS, "video_config": VIDEOMAMBA_LIMITS, "text_config": TEXT_LIMITS}


def check_fields(values: Mapping[str, Any], limits: Mapping[str, Rule], prefix: str = "", owner: type | None = None):
    """
    Args:
        values (`Mapping[str, Any]`): fields of a config, by name.
        limits (`Mapping[str, Rule]`): what they may be, beside those that every config has.
        prefix (`str`): what stands before their names in messages, such as `"text_config."`.
        owner (`type`, *optional*): class of the config.

    Raises:
        ConfigError: naming the first field that cannot be.
    """
    for name, value in values.items():
        if rule := limits.get(name) or _ANY.get(name):
            rule.check(f"{prefix}{name}", value)
        elif _is_taken(owner or PreTrainedConfig, name):
            raise ConfigError(f"`{prefix}{name}` is no field of a config.")
    width, heads = values.get("hidden_size"), values.get("num_attention_heads")
    if width is not None and heads is not None and values.get("head_dim") is None and width % heads:
        raise ConfigError(
            f"`{prefix}hidden_size` ({width}) must be a multiple of `{prefix}num_attention_heads` ({heads})."
        )
    for name, section in _SECTIONS.items():
        value = values.get(name)
        if name in limits and isinstance(value, PreTrainedConfig):
            present = {field: getattr(value, field) for field in section if hasattr(value, field)}
            check_fields(present, section, f"{name}.", type(value))
        elif name in limits and isinstance(value, Mapping):
            check_fields(value, section, f"{name}.")


def _is_taken(owner: type, name: str) -> bool:
    """Whether an attribute of this name would stand in the way of a method."""
    attribute = inspect.getattr_static(owner, str(name), None)
    is_read_only = isinstance(attribute, property) and attribute.fset is None
    return is_read_only or callable(attribute) or isinstance(attribute, (classmethod, staticmethod))


def short(value: Any) -> str:
    """A value for a message."""
    return _SHORT.repr(value)


@contextmanager
def config_errors(where: str = "", also: tuple[type[Exception], ...] = ()) -> Iterator[None]:
    """
    Turns the errors of configs into a [`ConfigError`] of one line.

    Args:
        where (`str`): what stands before the message, such as the file.
        also (`tuple`): other errors that can only come from a value.
    """
    try:
        yield
    except Exception as error:
        if not isinstance(error, (ConfigError, StrictDataclassError, *also)):
            raise
        reason: BaseException = error
        while isinstance(reason, StrictDataclassError) and reason.__cause__ is not None:
            reason = reason.__cause__
        text = " ".join(str(reason).split())
        if not isinstance(reason, (ValueError, StrictDataclassError)):
            text = (
                text.replace("Field '", "field '", 1)
                if text.startswith("Field '")
                else f"{type(reason).__name__}: {text}"
            )
        where = "" if text.startswith("config.json of ") else where
        text = text if len(text) <= 600 else f"{text[:400]}...{text[-100:]}"
        raise ConfigError(where + text) from None


def checked(limits: Mapping[str, Rule]) -> Callable[[Config], Config]:
    """`@strict` that looks at these limits before anything is made of the fields, and whose errors are a [`ConfigError`]."""

    def decorate(cls: Config) -> Config:
        strict(cls)
        make = cls.__init__

        @functools.wraps(make)
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            check_fields(kwargs, limits, owner=cls)
            with config_errors():
                make(self, *args, **kwargs)

        cls.__init__ = __init__
        for name in ("__setattr__", "validate"):
            setattr(cls, name, config_errors()(getattr(cls, name)))
        return cls

    return decorate


class CheckedConfig(PreTrainedConfig):
    """A config whose files are read with errors that name the file."""

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: str | os.PathLike, **kwargs):
        """
        As [`~PreTrainedConfig.from_pretrained`].

        Raises:
            ConfigError: a `ValueError` that names file, field and limit.
        """
        with config_errors(_file_of(pretrained_model_name_or_path), also=ERRORS_OF_VALUES):
            return super().from_pretrained(pretrained_model_name_or_path, **kwargs)

    @classmethod
    def get_config_dict(cls, *args, **kwargs) -> tuple[dict[str, Any], dict[str, Any]]:
        config_dict, kwargs = super().get_config_dict(*args, **kwargs)
        if not isinstance(config_dict, dict):
            raise ConfigError(f"it must be an object, not {short(config_dict)}.")
        return config_dict, kwargs

    @classmethod
    def from_dict(cls, config_dict: dict[str, Any], **kwargs):
        """As [`~PreTrainedConfig.from_dict`]."""
        path = kwargs.get("name_or_path")  # AutoConfig says it
        with config_errors(_file_of(path) if path else "", also=ERRORS_OF_VALUES):
            return super().from_dict(config_dict, **kwargs)


def _file_of(path: str | os.PathLike) -> str:
    return f"config.json of {short(os.fspath(path))[1:-1]}: "
