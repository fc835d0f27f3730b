# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Renders chat templates as transformers does, with bounded time and memory (see `bounded_templates`)."""

import types
from functools import lru_cache
from typing import Any

from transformers.utils import chat_template_utils

from .bounded_templates import RefusedChatError as RefusedChatError
from .bounded_templates import bounded_environment, bounded_rendering, check_template_length
from .chat_messages import texts_of


try:
    from jinja2 import meta
except ImportError as error:
    raise ImportError("Chat templates need jinja2: install it with `pip install jinja2`.") from error


def render_chat(
    chat_template: str, messages: list[dict[str, Any]], **options: Any
) -> tuple[str, list[tuple[int, int]]]:
    r"""
    Renders a chat as transformers' `render_jinja_template` does, which knows the options.

    Args:
        chat_template: Template of a chat.
        messages: The chat.
        options: `tools`, `documents`, `add_generation_prompt`, `continue_final_message`, `return_assistant_tokens_mask`, and the
            template's own variables.

    Returns:
        The prompt; and, where `return_assistant_tokens_mask` is true, where in it the assistant's words begin and end.

    Raises:
        RefusedChatError: a `ValueError`, if the template refuses the chat.
        ValueError: if the template is wrong, or makes more than it may.
    """
    with bounded_rendering(texts_of([messages, options.get("tools"), options.get("documents")])):
        [prompt], spans = _render_jinja_template([messages], chat_template=chat_template, **options)
    return prompt, spans[0] if spans else []


def template_variables(chat_template: str) -> frozenset[str]:
    """Names of the variables that the template takes."""
    return _variables(chat_template)


@lru_cache(maxsize=16)
def _compile(chat_template: str) -> Any:
    return _environment().from_string(chat_template)


@lru_cache(maxsize=16)
def _variables(chat_template: str) -> frozenset[str]:
    check_template_length(chat_template)
    return frozenset(meta.find_undeclared_variables(_environment().parse(chat_template)))


@lru_cache(maxsize=1)
def _environment() -> Any:
    return bounded_environment(chat_template_utils._compile_jinja_template("").environment)


def _compile_checked(chat_template: str) -> Any:
    check_template_length(chat_template)
    return _compile(chat_template)


# transformers' function, which compiles templates with ours where its own would
_render_jinja_template: Any = types.FunctionType(
    chat_template_utils.render_jinja_template.__code__,
    {**vars(chat_template_utils), "_compile_jinja_template": _compile_checked},
    "render_jinja_template",
    chat_template_utils.render_jinja_template.__defaults__,
)
