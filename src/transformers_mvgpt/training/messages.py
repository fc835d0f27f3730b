# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Records as people keep them -> chat messages in one form."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any


_ROLES = {"human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant", "system": "system"}
_MARKER = re.compile(r"[ \t]*<(?:image|video)>[ \t]*\n?")
_SOURCE_NAMES = {"image": ("image", "path", "url"), "video": ("video", "path", "url")}


def to_messages(record: Any, media_folder: Path) -> list[dict[str, Any]]:
    """
    Args:
        record:
            Of the release's form, `{"image" | "video": path, "conversations": [{"from": "human" | "gpt", "value": text}]}`
            where `<image>` or `<video>` in the text marks the visual, or a chat, `{"messages": [{"role": ..., "content":
            text or parts}]}`.
        media_folder (`Path`): what relative paths are relative to.

    Returns:
        `list[dict]`: messages whose content is a list of the parts `{"type": "text", "text": ...}`, `{"type": "image",
        "image": ...}` and `{"type": "video", "video": ...}`.

    Raises:
        ValueError: if the record has another form, or nothing in it is to be learned.
    """
    if not isinstance(record, Mapping):
        raise ValueError(f"it is of the type {type(record).__name__}, not an object")
    if record.get("messages") is not None:
        messages = [_chat_message(message, media_folder) for message in record["messages"]]
    elif record.get("conversations") is not None:
        messages = _from_release(record, media_folder)
    else:
        raise ValueError(
            f"it has neither `conversations` nor `messages`, but {', '.join(map(repr, record)) or 'nothing'}"
        )
    if not any(message["role"] == "assistant" for message in messages):
        raise ValueError("it has no turn of the assistant, so that there is nothing to learn")
    return messages


def visuals_of(messages: list[dict[str, Any]], kind: str) -> list[Any]:
    """The sources of the images or of the videos (`kind`), in the order of the prompt."""
    return [part[kind] for message in messages for part in message["content"] if part["type"] == kind]


def _from_release(record: Mapping[str, Any], media_folder: Path) -> list[dict[str, Any]]:
    """The visual goes in front of the first question, wherever its marker stood."""
    parts = []
    for kind in ("image", "video"):
        value = record.get(kind)
        for source in value if isinstance(value, list) else [] if value is None else [value]:
            parts.append({"type": kind, kind: _locate(source, media_folder)})
    messages, num_markers = [], 0
    for turn in record["conversations"]:
        text, count = _MARKER.subn("", _text(turn, "value"))
        num_markers += count
        messages.append({"role": _role(turn, "from"), "content": [{"type": "text", "text": text}]})
    if num_markers and num_markers != len(parts):
        raise ValueError(f"it has {num_markers} markers <image> or <video>, but {len(parts)} visuals")
    if parts:
        first = next((message for message in messages if message["role"] == "user"), None)
        if first is None:
            raise ValueError("it has a visual, but no turn of a human to put it in front of")
        first["content"] = [*parts, *first["content"]]
    return messages


def _chat_message(message: Any, media_folder: Path) -> dict[str, Any]:
    role, content = _role(message, "role"), message.get("content")
    if isinstance(content, str):
        return {"role": role, "content": [{"type": "text", "text": content}]}
    if not isinstance(content, list):
        raise ValueError(
            f"the content of a message is of the type {type(content).__name__}, not text or a list of parts"
        )
    return {"role": role, "content": [_chat_part(part, media_folder) for part in content]}


def _chat_part(part: Any, media_folder: Path) -> dict[str, Any]:
    kind = part.get("type") if isinstance(part, Mapping) else None
    if kind == "text":
        return {"type": "text", "text": _text(part, "text")}
    if kind not in _SOURCE_NAMES:
        raise ValueError(f"a part of a message is {str(part)[:80]}: its `type` must be 'text', 'image' or 'video'")
    # an Arrow table gives all parts the same names, most of them empty
    sources = [part[name] for name in _SOURCE_NAMES[kind] if part.get(name) is not None]
    if len(sources) != 1:
        raise ValueError(f"{kind} {str(part)[:80]} must have one of {', '.join(_SOURCE_NAMES[kind])}")
    return {"type": kind, kind: _locate(sources[0], media_folder)}


def _locate(source: Any, media_folder: Path) -> Any:
    if not isinstance(source, (str, os.PathLike)) or str(source).startswith(("http://", "https://")):
        return source
    return str(media_folder / source)


def _role(message: Any, name: str) -> str:
    role = message.get(name) if isinstance(message, Mapping) else None
    if role not in _ROLES:
        raise ValueError(f"a message has {name} {role!r}; known are {', '.join(map(repr, _ROLES))}")
    return _ROLES[role]


def _text(message: Mapping[str, Any], name: str) -> str:
    if not isinstance(message, Mapping) or not isinstance(message.get(name), str):
        raise ValueError(f"a message has no text in `{name}`: {str(message)[:80]}")
    return message[name]
