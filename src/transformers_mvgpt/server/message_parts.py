# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Messages with images and videos, in the forms that OpenAI's, SGLang's and mlx-vlm's clients write them in."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..video.limits import shorten
from .request_errors import RequestError


# Types of parts that bring a visual, and what it is.
_KINDS = {
    **dict.fromkeys(("video_url", "input_video", "video"), "video"),
    **dict.fromkeys(("image_url", "input_image", "image"), "image"),
}
# Where a part has its address, beside a key of its own type.
_ADDRESS_KEYS = {"video": ("video_url", "video", "url"), "image": ("image_url", "image", "url")}
_OPTIONS = ("fps", "max_frames", "start_seconds", "end_seconds")
_ROLES = ("system", "user", "assistant")
MAX_FRAMES = 10_000


@dataclass(frozen=True)
class Visual:
    """
    Args:
        kind (`str`): `"image"` or `"video"`.
        url (`str`): Its address.
        param (`str`): The path of the field that holds the address.
        options (`dict`): `fps`, `max_frames`, `start_seconds` and `end_seconds`, those that are given.
        option_params (`dict`): The paths of their fields.
    """

    kind: str
    url: str = field(repr=False)
    param: str
    options: dict[str, Any] = field(default_factory=dict)
    option_params: dict[str, str] = field(default_factory=dict)


def parse_messages(messages: Any) -> tuple[list[dict[str, Any]], list[Visual]]:
    """
    Returns:
        The chat, in which each visual is a placeholder `{"type": "image"}` or `{"type": "video"}`, and the visuals in their order.

    Raises:
        RequestError: on anything that would be misread or passed over.
    """
    if not isinstance(messages, list) or not messages:
        raise RequestError("`messages` must be a list of messages that ends with a question.", "messages")
    chat, visuals = [], []
    for number, message in enumerate(messages):
        path = f"messages.{number}"
        if not isinstance(message, Mapping):
            raise RequestError(
                f"`{path}` must be an object with `role` and `content`, got {shorten(repr(message))}.", path
            )
        role = message.get("role")
        # the newer name of OpenAI's for the same
        role = "system" if role == "developer" else role
        if role not in _ROLES:
            raise RequestError(
                f"`{path}.role` ({shorten(repr(role))}) must be 'system', 'user' or 'assistant'.", f"{path}.role"
            )
        for key, value in message.items():
            # a client sends an answer back as it came
            is_empty = value is None or value == []
            if key not in ("role", "content", "selected_frames") and not is_empty:
                name = f"{path}.{shorten(key)}"
                raise RequestError(f"`{name}` is not supported: leave it out.", name, code="unknown_field")
        content = message.get("content")
        if isinstance(content, list):
            parts = [_parse_part(part, f"{path}.content.{place}") for place, part in enumerate(content)]
            found = [part for part in parts if isinstance(part, Visual)]
            if found and role != "user":
                raise RequestError(
                    f"`{found[0].param}` is in a message of the role '{role}': videos and images belong to the user's.",
                    found[0].param,
                )
            visuals += found
            content = [{"type": part.kind} if isinstance(part, Visual) else part for part in parts]
        elif not isinstance(content, str):
            raise RequestError(
                f"`{path}.content` ({shorten(repr(content))}) must be a text or a list of parts.", f"{path}.content"
            )
        chat.append({"role": role, "content": content})
    if chat[-1]["role"] != "user":
        raise RequestError(
            "The last message must be the user's question.", f"messages.{len(chat) - 1}.role", code="invalid_value"
        )
    return chat, visuals


def _parse_part(part: Any, path: str) -> dict[str, Any] | Visual:
    if not isinstance(part, Mapping):
        raise RequestError(f"`{path}` ({shorten(repr(part))}) must be an object with a `type`.", path)
    given = {key: value for key, value in part.items() if value is not None}
    kind = given.pop("type", None)
    if kind in ("text", "input_text"):
        text = given.pop("text", None)
        if not isinstance(text, str):
            raise RequestError(f"`{path}.text` ({shorten(repr(text))}) must be a text.", f"{path}.text")
        _refuse_unknown(given, path)
        return {"type": "text", "text": text}
    if not isinstance(kind, str) or kind not in _KINDS:
        raise RequestError(
            f"`{path}.type` ({shorten(repr(kind))}) must be 'text', {', '.join(map(repr, _KINDS))}.", f"{path}.type"
        )
    return _parse_visual(given, kind, path)


def _parse_visual(given: dict[str, Any], kind: str, path: str) -> Visual:
    what = _KINDS[kind]
    keys = [key for key in dict.fromkeys((kind, *_ADDRESS_KEYS[what])) if key in given]
    if len(keys) != 1:
        problem = f"has {' and '.join(map(repr, keys))}" if keys else f"has no '{kind}'"
        raise RequestError(f"`{path}` {problem}: it must have one address.", path)
    source, param = given.pop(keys[0]), f"{path}.{keys[0]}"
    # where options may stand, and their paths: beside the address or in one object with it
    places = [(given, path)]
    if isinstance(source, Mapping):
        inner = {key: value for key, value in source.items() if value is not None}
        source = inner.pop("url", None)
        places.append((inner, param))
        param = f"{param}.url"
    if not isinstance(source, str) or not source:
        raise RequestError(f"`{param}` ({shorten(repr(source))}) must be an address.", param)
    options: dict[str, Any] = {}
    option_params: dict[str, str] = {}
    for place, place_path in places:
        for name in _OPTIONS:
            if name not in place:
                continue
            option = f"{place_path}.{name}"
            if what == "image":
                raise RequestError(f"`{option}` is for videos, and this is an image: leave it out.", option)
            if name in options:
                raise RequestError(f"`{option}` is given twice: leave one out.", option)
            options[name], option_params[name] = _parse_option(place.pop(name), name, option), option
        if what == "image" and place.get("detail") in ("auto", "low", "high"):
            place.pop("detail")  # each model sees images at one resolution
        _refuse_unknown(place, place_path)
    return Visual(what, source, param, options, option_params)


def _parse_option(value: Any, name: str, param: str) -> int | float:
    if name == "max_frames":
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_FRAMES:
            raise RequestError(
                f"`{param}` ({shorten(repr(value))}) must be a whole number from 1 to {MAX_FRAMES:,}.", param
            )
        return value
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    # a whole number of JSON may be larger than any of these
    if not is_number or not 0 <= value <= sys.float_info.max or (name == "fps" and value == 0):
        lowest = "more than 0" if name == "fps" else "at least 0"
        raise RequestError(f"`{param}` ({shorten(repr(value))}) must be a number, {lowest}.", param)
    return float(value)


def _refuse_unknown(given: Mapping[str, Any], path: str) -> None:
    for key in given:
        name = f"{path}.{shorten(key)}"
        raise RequestError(f"`{name}` is not supported: leave it out.", name, code="unknown_field")
