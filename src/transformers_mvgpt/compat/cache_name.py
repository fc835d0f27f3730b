# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
transformers 5.24 renamed the language model's cache, in arguments and outputs, from `past_key_values` to `cache`.

Remove when transformers 5.23 is no longer supported: `cache` is then the only name, and all that is left of
`takes_cache` is `deprecate_kwarg`.
"""

import functools
import inspect
from collections.abc import Callable
from dataclasses import fields

from transformers.modeling_outputs import BaseModelOutputWithPast
from transformers.utils.deprecation import deprecate_kwarg


NEW_NAME, OLD_NAME = "cache", "past_key_values"
# what the installed transformers calls it
CACHE_NAME = NEW_NAME if NEW_NAME in {field.name for field in fields(BaseModelOutputWithPast)} else OLD_NAME


def takes_cache(forward: Callable) -> Callable:
    """Lets a method with an argument `cache` be called, and be inspected, as one of the installed transformers' own."""
    if CACHE_NAME == NEW_NAME:
        taking = deprecate_kwarg(OLD_NAME, "5.40.0", new_name=NEW_NAME)(forward)
        # `generate` asks for it some ten times before the first token, and it takes long to find
        taking.__signature__ = inspect.signature(forward)
        return taking

    @functools.wraps(forward)
    def with_old_name(*args, **kwargs):
        if OLD_NAME in kwargs:
            kwargs[NEW_NAME] = kwargs.pop(OLD_NAME)
        return forward(*args, **kwargs)

    signature = inspect.signature(forward)
    parameters = [
        parameter.replace(name=OLD_NAME) if parameter.name == NEW_NAME else parameter
        for parameter in signature.parameters.values()
    ]
    with_old_name.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    return with_old_name
