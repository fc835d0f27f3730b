# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Limits as they are written on a command line."""

from dataclasses import fields
from typing import Any

from .limits import UntrustedInput, shorten


def parse_limits(limits: list[str] | None) -> UntrustedInput:
    """
    Args:
        limits (`list[str]`, *optional*): entries like `"max_redirects=0"`.

    Raises:
        ValueError: on an unknown name, or a value that does not fit.
    """
    types = {field.name: type(field.default) for field in fields(UntrustedInput)}
    values: dict[str, Any] = {}
    for limit in limits or []:
        name, equals, text = limit.partition("=")
        name = name.strip().replace("-", "_")
        if not equals or name not in types:
            raise ValueError(
                f"`--limit {shorten(limit)}` must be NAME=VALUE, where NAME is one of {', '.join(types)}."
            )
        try:
            values[name] = _parse(text.strip(), types[name])
        except ValueError:
            kind = {int: "a whole number", float: "a number", bool: "true or false"}[types[name]]
            raise ValueError(f"`--limit {shorten(limit)}`: the value must be {kind}.") from None
    return UntrustedInput(**values)


def _parse(text: str, kind: type) -> Any:
    if kind is bool:
        known = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
        if text.lower() not in known:
            raise ValueError
        return known[text.lower()]
    if kind is int:
        return int(text.replace("_", ""))
    return float(text) if kind is float else text
