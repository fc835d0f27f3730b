# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Chats as they are handed over, checked and brought to one form, before a template sees them."""

import dataclasses
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..video.limits import shorten


# What a part of a chat may say of its video; the names are those of the video processor's options.
PART_OPTIONS = ("num_frames", "max_frames", "fps", "start_seconds", "end_seconds", "sampling")

# What other models call these.
_OTHER_NAMES = {
    "video_start": "start_seconds",
    "video_end": "end_seconds",
    "start": "start_seconds",
    "end": "end_seconds",
    "nframes": "num_frames",
    "frames": "num_frames",
}
_SOURCES = {"image": ("image", "url", "path", "base64"), "video": ("video", "url", "path")}
_ROLES = ("system", "user", "assistant")


@dataclass(frozen=True)
class VideoWithOptions:
    """
    A video with options of its own, such as the part of a chat that says how many frames of it are wanted.

    Args:
        video: The video, in any form; or an image, which is a video of one frame.
        options (`dict`): Of the video processor.
        is_image (`bool`): Whether it is an image.
    """

    video: Any
    options: dict[str, Any] = field(default_factory=dict)
    is_image: bool = False


def split_batch(conversation: Any) -> tuple[list[Any], bool]:
    """
    The chats of what is given to `apply_chat_template`, and whether it is a list of them.

    Raises:
        ValueError: if it is neither a chat nor a list of chats.
    """
    if hasattr(conversation, "messages"):
        return [conversation.messages], False
    if not isinstance(conversation, (list, tuple)) or not conversation:
        raise ValueError(
            "A chat must be a list of messages, each with `role` and `content`, got "
            f"{type(conversation).__name__} {shorten(repr(conversation))}."
        )
    if isinstance(conversation[0], (list, tuple)) or hasattr(conversation[0], "messages"):
        return [getattr(chat, "messages", chat) for chat in conversation], True
    return [conversation], False


def normalize_chat(
    chat: Any, chat_template: str, modalities: Collection[str], part_options: Collection[str], needs_question: bool
) -> list[dict[str, Any]]:
    r"""
    The messages as new dictionaries. A content is a string or a list of parts `{"type": "text", "text": ...}`, `{"type": "image",
    "image": ...}` and `{"type": "video", "video": ...}`; the last two without a source where they are placeholders only.
    OpenAI's `image_url` and `video_url` are read. Keys with the value `None` count as not given.

    Args:
        chat: Messages as dictionaries, dataclasses or pydantic models.
        chat_template: The template that will see them: other roles and keys than the usual ones must occur in it.
        modalities: `"image"`, `"video"` or both, as the model takes them.
        part_options: Options of the video processor that a part may bring.
        needs_question: Whether a user's message at the end must say something.

    Raises:
        ValueError: on anything that would be ignored or misread, naming message, part and key.
    """
    if not isinstance(chat, (list, tuple)) or not chat:
        raise ValueError(f"A chat must be a list of messages, got {type(chat).__name__} {shorten(repr(chat))}.")
    messages = [
        _normalize_message(f"Message {number}", message, chat_template, modalities, part_options)
        for number, message in enumerate(chat)
    ]
    last = messages[-1]
    if needs_question and last["role"] == "user" and not any(text.strip() for text in texts_of(last.get("content"))):
        raise ValueError("The question is missing: the last message of the user has no text. Say what to answer.")
    return messages


def check_text(name: str, text: str) -> None:
    """
    Raises:
        ValueError: if there is a lone surrogate in the text, half of a character that no tokenizer can read.
    """
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ValueError(
            f"{name} has a lone surrogate (U+{ord(text[error.start]):04X}) at position {error.start}, which is no "
            "character: decode the text rightly, or take it out."
        ) from None


def check_question(text: str) -> None:
    """
    Raises:
        ValueError: if nothing is asked, or it cannot be read.
    """
    if not text.strip():
        raise ValueError("The question is missing: the text is empty. Say what to answer.")
    check_text("The question", text)


def texts_of(value: Any) -> Iterator[str]:
    """All strings in a content, tools or documents; visuals are left out."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            if not (key == "type" or (key in _SOURCES and value.get("type") == key)):
                yield from texts_of(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from texts_of(item)


def map_texts(value: Any, change: Any) -> Any:
    """A copy of a content, tools or documents with each of the strings of [`texts_of`] changed."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        kept = {"type", *([value["type"]] if value.get("type") in _SOURCES else [])}
        return {key: item if key in kept else map_texts(item, change) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [map_texts(item, change) for item in value]
    return value


def _normalize_message(
    name: str, message: Any, chat_template: str, modalities: Collection[str], part_options: Collection[str]
) -> dict[str, Any]:
    fields = _fields(message)
    if fields is None:
        raise ValueError(
            f"{name} must be a dictionary with `role` and `content`, got {type(message).__name__} "
            f"{shorten(repr(message))}."
        )
    role = fields.get("role")
    # a template that knows more roles than these has their names between quotes
    is_named = (
        isinstance(role, str) and re.fullmatch("[a-z_]+", role) and re.search(f"['\"]{role}['\"]", chat_template)
    )
    if role not in _ROLES and not is_named:
        raise ValueError(f"{name} has the role {shorten(repr(role))}: use 'system', 'user' or 'assistant'.")
    unused = [key for key in fields if key not in ("role", "content") and not _is_read(key, chat_template)]
    if unused:
        raise ValueError(
            f"{name} has the key {shorten(repr(unused[0]))}, which the chat template does not look at: put what belongs to the "
            "message into its `content`."
        )
    content = fields.get("content")
    # said to be nothing, as in a message that only calls tools
    is_empty = content is None and (not isinstance(message, Mapping) or "content" in message)
    if isinstance(content, (list, tuple)):
        content = [
            _normalize_part(
                f"Part {number} of message {name.split()[-1]}", part, chat_template, modalities, part_options
            )
            for number, part in enumerate(content)
        ]
    elif is_empty:
        content = ""
    elif not isinstance(content, str):
        what = "has no `content`" if content is None else f"has a `content` of type {type(content).__name__}"
        raise ValueError(
            f"{name} {what}: it must be a string, or a list of parts such as {{'type': 'text', 'text': ...}}."
        )
    normalized = {**fields, "content": content}
    for text in texts_of(normalized):
        check_text(name, text)
    return normalized


def _is_read(key: Any, chat_template: str) -> bool:
    """Whether the template looks at this key of something: `message.key`, `message['key']` or `message.get('key')`."""
    name = re.escape(str(key))
    return re.search(rf"\.{name}\b|(\[|get\()\s*['\"]{name}['\"]", chat_template) is not None


def _normalize_part(
    name: str, part: Any, chat_template: str, modalities: Collection[str], part_options: Collection[str]
) -> dict[str, Any]:
    fields = _fields(part)
    if fields is None:
        raise ValueError(
            f"{name} must be a dictionary such as {{'type': 'text', 'text': ...}}, got {type(part).__name__} {shorten(repr(part))}."
        )
    kind = fields.pop("type", None)
    if kind in ("image_url", "video_url"):
        # OpenAI's form: {"type": "image_url", "image_url": {"url": ...}}
        source = fields.pop(kind, None)
        kind = kind.removesuffix("_url")
        fields["url"] = source.get("url") if isinstance(source, Mapping) else source
        if not isinstance(fields["url"], str):
            raise ValueError(
                f"{name} must have its address as '{kind}_url': {{'url': ...}}, got {shorten(repr(source))}."
            )
    known = ("text", *modalities)
    if kind == "video" and "image" in modalities and kind not in modalities:
        raise ValueError(
            f"{name} is a video, and this model takes images: pass frames of the video as images, or use a model for videos."
        )
    if kind not in known:
        raise ValueError(
            f"{name} has the type {shorten(repr(kind))}: use {', '.join(map(repr, known[:-1]))} or {known[-1]!r}."
        )
    if kind == "text":
        _refuse_unknown(name, fields, "text", ("text",))
        if not isinstance(fields.get("text"), str):
            raise ValueError(f"{name} must have a string as its 'text', got {shorten(repr(fields.get('text')))}.")
        return {"type": "text", "text": fields["text"]}
    options = part_options if kind == "video" else ()
    _refuse_unknown(name, fields, kind, (*_SOURCES[kind], *options))
    sources = {key: fields[key] for key in _SOURCES[kind] if key in fields}
    if len(sources) > 1:
        raise ValueError(f"{name} has {' and '.join(map(repr, sources))}: it may have one {kind} only.")
    given = {key: fields[key] for key in options if key in fields}
    if not sources:
        if given:
            raise ValueError(f"{name} has {', '.join(map(repr, given))} but no video to apply that to.")
        return {"type": kind}
    [(key, source)] = sources.items()
    # a template that writes an address gets it
    written = {key: source} if key != kind and isinstance(source, str) and _is_read(key, chat_template) else {}
    return {"type": kind, kind: VideoWithOptions(source, given) if given else source, **written}


def _refuse_unknown(name: str, fields: dict[str, Any], kind: str, known: tuple[str, ...]) -> None:
    for key in fields:
        if key not in known:
            ours = _OTHER_NAMES.get(key)
            way_out = f"it is called {ours!r} here" if ours in known else f"it may have {', '.join(map(repr, known))}"
            raise ValueError(f"{name}, of the type {kind!r}, has the unknown key {shorten(repr(key))}: {way_out}.")


def _fields(value: Any) -> dict[str, Any] | None:
    """What is given of a message or part, as a new dictionary."""
    if callable(getattr(value, "model_dump", None)):
        value = value.model_dump()  # pydantic, such as the OpenAI client's
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if not isinstance(value, Mapping):
        return None
    return {key: item for key, item in value.items() if item is not None}
