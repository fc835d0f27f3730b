# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Configs whose fields are checked. A `config.json` comes from anywhere: it must not cost memory or time before it is checked."""

import functools
import inspect
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

from huggingface_hub.dataclasses import strict
from huggingface_hub.errors import StrictDataclassError
from transformers import PreTrainedConfig

from .config_limits import ANY_CONFIG_LIMITS
from .config_rules import ConfigError, Rule, short


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
        if rule := limits.get(name) or ANY_CONFIG_LIMITS.get(name):
            rule.check(f"{prefix}{name}", value)
        elif _is_taken(owner or PreTrainedConfig, name):
            raise ConfigError(f"`{prefix}{name}` is no field of a config.")
    width, heads = values.get("hidden_size"), values.get("num_attention_heads")
    if width is not None and heads is not None and values.get("head_dim") is None and width % heads:
        raise ConfigError(
            f"`{prefix}hidden_size` ({width}) must be a multiple of `{prefix}num_attention_heads` ({heads})."
        )
    for name, value in values.items():
        section = limits[name].fields if name in limits else None
        if section is not None and isinstance(value, PreTrainedConfig):
            present = {field: getattr(value, field) for field in section if hasattr(value, field)}
            check_fields(present, section, f"{name}.", type(value))
        elif section is not None and isinstance(value, Mapping):
            check_fields(value, section, f"{name}.")


def _is_taken(owner: type, name: str) -> bool:
    """Whether an attribute of this name would stand in the way of a method."""
    attribute = inspect.getattr_static(owner, str(name), None)
    is_read_only = isinstance(attribute, property) and attribute.fset is None
    return is_read_only or callable(attribute) or isinstance(attribute, (classmethod, staticmethod))


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
            setattr(cls, name, _with_config_errors(getattr(cls, name)))
        return cls

    return decorate


def _with_config_errors(method: Callable[..., Any]) -> Callable[..., Any]:
    # not `config_errors()(method)`, which would hold a generator: vLLM pickles the classes of remote code with their methods
    @functools.wraps(method)
    def run(*args: Any, **kwargs: Any) -> Any:
        with config_errors():
            return method(*args, **kwargs)

    return run


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
