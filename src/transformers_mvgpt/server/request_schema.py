# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The body of a request to `/v1/chat/completions`, checked: what would change an answer is done or refused, never passed over."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..video.limits import shorten
from .message_parts import Visual, parse_messages
from .request_errors import RequestError


# as OpenAI's
MAX_STOPS = 4
MAX_PENALTY = 2

# Taken, and without effect on an answer.
_HARMLESS = frozenset(
    {
        *("user", "metadata", "store", "service_tier", "safety_identifier", "prompt_cache_key"),
        *("prompt_cache_retention", "parallel_tool_calls"),
    }
)
# Taken only with these values, which mean what is done anyway.
_ONLY: dict[str, tuple[Any, ...]] = {
    "n": (1,),
    "logprobs": (False,),
    "top_logprobs": (0,),
    "logit_bias": ({},),
    "tools": ([],),
    "functions": ([],),
    "tool_choice": ("none", "auto"),
    "function_call": ("none", "auto"),
    "response_format": ({"type": "text"},),
    "modalities": (["text"],),
}
_WHY = {
    "n": "there is one answer to a request",
    "tools": "the models call no tools",
    "functions": "the models call no functions",
    "logprobs": "probabilities of tokens are not returned",
    "response_format": "answers are text",
    "modalities": "answers are text",
}


@dataclass(frozen=True)
class ChatRequest:
    """
    Args:
        messages (`list[dict]`): The chat, of text parts and placeholders `{"type": "image"}` and `{"type": "video"}`.
        visuals (`list[Visual]`): What stands behind the placeholders, in their order.
        max_tokens (`int`, *optional*), max_tokens_field (`str`): Longest answer, and what the request calls it.
        temperature, top_p (`float`, *optional*): How tokens are drawn.
        frequency_penalty, presence_penalty (`float`): Of tokens that the answer has already.
        stop (`tuple[str, ...]`): Texts before which an answer ends.
        seed (`int`, *optional*): Of the random numbers.
        stream (`bool`), include_usage (`bool`): Whether the answer comes in chunks, and its counts in the last one.
        selected_frames (`bool`): Whether the frames that the video encoder looked at are wanted.
        template_variables (`dict`): Of the chat template.
    """

    messages: list[dict[str, Any]]
    visuals: list[Visual]
    max_tokens: int | None = None
    max_tokens_field: str = "max_tokens"
    temperature: float | None = None
    top_p: float | None = None
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0
    stop: tuple[str, ...] = ()
    seed: int | None = None
    stream: bool = False
    include_usage: bool = False
    selected_frames: bool = False
    template_variables: dict[str, Any] = field(default_factory=dict)


def parse_request(body: Any, model_name: str) -> ChatRequest:
    """
    Args:
        body: What the JSON of a request says.
        model_name (`str`): The name of the model that is served.

    Raises:
        RequestError: if a field is wrong or unknown, or another model is asked for.
    """
    if not isinstance(body, Mapping):
        raise RequestError(f"The body must be a JSON object, got {shorten(body)}.")
    given = {name: value for name, value in body.items() if value is not None}
    _check_model(given.pop("model", None), model_name)
    if "messages" not in given:
        raise RequestError("`messages` is missing: a list of messages that ends with a question.", "messages")
    messages, visuals = parse_messages(given.pop("messages"))
    fields: dict[str, Any] = {}
    for name in ("max_tokens", "max_completion_tokens"):
        if name in given:
            if "max_tokens" in fields:
                raise RequestError("`max_tokens` and `max_completion_tokens` are the same: leave one out.", name)
            fields |= {
                "max_tokens": _number(given.pop(name), name, 1, math.inf, whole=True),
                "max_tokens_field": name,
            }
    for name, parse in _FIELDS.items():
        if name in given:
            fields[name] = parse(given.pop(name), name)
    if "stream_options" in given:
        fields["include_usage"] = _include_usage(given.pop("stream_options"), fields.get("stream", False))
    if "chat_template_kwargs" in given:
        fields["template_variables"] = _object(given.pop("chat_template_kwargs"), "chat_template_kwargs")
    for name, value in given.items():
        _check_without_effect(name, value)
    return ChatRequest(messages, visuals, **fields)


def _check_model(name: Any, model_name: str) -> None:
    if name is None:
        raise RequestError(f"`model` is missing: this server has '{model_name}'.", "model")
    if name != model_name:
        raise RequestError(
            f"The model '{shorten(name)}' is not served here: use '{model_name}'.", "model", 404, "model_not_found"
        )


def _check_without_effect(name: str, value: Any) -> None:
    if name in _HARMLESS:
        return
    if name not in _ONLY:
        raise RequestError(f"`{shorten(name)}` is not supported: leave it out.", shorten(name), code="unknown_field")
    if not any(value == allowed and type(value) is type(allowed) for allowed in _ONLY[name]):
        why = f", {_WHY[name]}" if name in _WHY else ""
        raise RequestError(
            f"`{name}` ({shorten(repr(value))}) is not supported{why}: leave it out.", name, code="unsupported_value"
        )


def _number(value: Any, name: str, lowest: float, highest: float, whole: bool = False) -> Any:
    kind: Any = int if whole else (int, float)
    if isinstance(value, bool) or not isinstance(value, kind) or not lowest <= value <= highest:
        bounds = f"at least {lowest:g}" if highest == math.inf else f"from {lowest:g} to {highest:g}"
        raise RequestError(
            f"`{name}` ({shorten(repr(value))}) must be a {'whole ' if whole else ''}number, {bounds}.", name
        )
    return value if whole else float(value)


def _between(lowest: float, highest: float, whole: bool = False) -> Callable[[Any, str], Any]:
    return lambda value, name: _number(value, name, lowest, highest, whole)


def _top_p(value: Any, name: str) -> float:
    number = _number(value, name, 0, 1)
    if number == 0:
        raise RequestError("`top_p` (0) must be more than 0, at most 1.", name)
    return number


def _flag(value: Any, name: str) -> bool:
    if not isinstance(value, bool):
        raise RequestError(f"`{name}` ({shorten(repr(value))}) must be true or false.", name)
    return value


def _object(value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise RequestError(f"`{name}` ({shorten(repr(value))}) must be an object.", name)
    return value


def _stop(value: Any, name: str) -> tuple[str, ...]:
    stops = [value] if isinstance(value, str) else value
    if not isinstance(stops, list) or not all(isinstance(stop, str) and 0 < len(stop) <= 1000 for stop in stops):
        raise RequestError(
            f"`stop` ({shorten(repr(value))}) must be a text or a list of texts, of 1 to 1,000 characters.", name
        )
    if len(stops) > MAX_STOPS:
        raise RequestError(f"`stop` has {len(stops)} texts: pass at most {MAX_STOPS}.", name)
    return tuple(stops)


def _include_usage(value: Any, stream: bool) -> bool:
    options = _object(value, "stream_options")
    if not stream:
        raise RequestError("`stream_options` is for `stream: true`: leave it out.", "stream_options")
    if unknown := sorted(options.keys() - {"include_usage", "include_obfuscation"}):
        name = f"stream_options.{shorten(unknown[0])}"
        raise RequestError(f"`{name}` is not supported: leave it out.", name, code="unknown_field")
    return _flag(options.get("include_usage") or False, "stream_options.include_usage")


_FIELDS: dict[str, Callable[[Any, str], Any]] = {
    "temperature": _between(0, 2),
    "top_p": _top_p,
    "frequency_penalty": lambda value, name: _number(value, name, -MAX_PENALTY, MAX_PENALTY),
    "presence_penalty": lambda value, name: _number(value, name, -MAX_PENALTY, MAX_PENALTY),
    "seed": _between(-(2**63), 2**63 - 1, whole=True),
    "stop": _stop,
    "stream": _flag,
    "selected_frames": _flag,
}
