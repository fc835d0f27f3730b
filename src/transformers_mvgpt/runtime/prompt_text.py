# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Renders chat templates as transformers does, where transformers is not installed."""

import json
from datetime import datetime
from functools import lru_cache
from typing import Any

from ..processing.bounded_templates import bounded_environment, bounded_rendering, check_template_length
from ..processing.chat_messages import texts_of


try:
    from jinja2 import meta, nodes
    from jinja2.exceptions import SecurityError, TemplateError
    from jinja2.ext import Extension, loopcontrols
    from jinja2.sandbox import ImmutableSandboxedEnvironment
    from jinja2.utils import Namespace
except ImportError as error:
    raise ImportError("Chat templates need jinja2: install it with `pip install jinja2`.") from error


def render_prompt(chat_template: str, messages: list[dict[str, Any]], variables: dict[str, Any]) -> str:
    """
    A chat as a prompt that an answer is to follow.

    Args:
        chat_template (`str`): Jinja template of a conversation.
        messages (`list[dict]`): the chat, of plain strings, numbers, lists and dictionaries.
        variables (`dict`): the template's own variables, and the special tokens by their names.

    Raises:
        ValueError: if the template refuses the chat, is wrong, or makes more than it may.
    """
    with bounded_rendering(texts_of(messages)):
        options = {"tools": None, "documents": None, "add_generation_prompt": True, **variables}
        return _compile(chat_template).render(messages=messages, **options)


@lru_cache(maxsize=16)
def template_variables(chat_template: str) -> frozenset[str]:
    """
    Names of the variables that the template takes.

    Raises:
        ValueError: if the template is wrong or too long.
    """
    check_template_length(chat_template)
    with bounded_rendering(()):
        return frozenset(meta.find_undeclared_variables(_environment().parse(chat_template)))


@lru_cache(maxsize=16)
def _compile(chat_template: str) -> Any:
    check_template_length(chat_template)
    return _environment().from_string(chat_template)


@lru_cache(maxsize=1)
def _environment() -> Any:
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, loopcontrols]
    )
    environment.filters["tojson"] = _to_json
    environment.globals |= {
        "raise_exception": _raise_exception,
        "strftime_now": strftime_now,
        "dict": _MakeDict(),
        "namespace": _Namespace,
    }
    return bounded_environment(environment)


class _Generation(Extension):
    """`{% generation %}` marks what the assistant says, for training. Here it is text like any other."""

    tags = {"generation"}

    def parse(self, parser: Any) -> nodes.Node:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.Scope(body, lineno=line)


class _MakeDict:
    """`dict(...)`. The type itself has more than a template needs."""

    def __call__(self, *args: Any, **kwargs: Any) -> dict[Any, Any]:
        return dict(*args, **kwargs)


class _Namespace(Namespace):
    """jinja2's, which keeps no names of Python's internals."""

    def __init__(*args: Any, **kwargs: Any) -> None:
        self, *given = args
        values = dict(*given, **kwargs)
        for name in values:
            _refuse_underscore(name)
        Namespace.__init__(self, values)

    def __setitem__(self, name: str, value: Any) -> None:
        _refuse_underscore(name)
        super().__setitem__(name, value)


def _refuse_underscore(name: Any) -> None:
    if str(name).startswith("_"):
        raise SecurityError(f"A namespace of a chat template has the name {name!r}: take one without an underscore.")


def strftime_now(format: str) -> str:
    """The time of day, for templates, as they write it."""
    return datetime.now().strftime(format)


def _raise_exception(message: str) -> None:
    raise TemplateError(message)


def _to_json(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    # jinja2's own writes JSON for HTML
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)
