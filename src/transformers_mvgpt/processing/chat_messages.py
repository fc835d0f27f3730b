# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Chats as they are handed over, checked and brought to one form, before a template sees them."""

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from ..video.limits import shorten
from .chat_parts import SOURCES, fields_of, is_read, normalize_part


_ROLES = ("system", "user", "assistant")


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
    OpenAI's `image_url`, `video_url`, `input_image` and `input_video` are read. Keys with the value `None` count as not given.

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
            if not (key == "type" or (key in SOURCES and value.get("type") == key)):
                yield from texts_of(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from texts_of(item)


def map_texts(value: Any, change: Any) -> Any:
    """A copy of a content, tools or documents with each of the strings of [`texts_of`] changed."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        kept = {"type", *([value["type"]] if value.get("type") in SOURCES else [])}
        return {key: item if key in kept else map_texts(item, change) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [map_texts(item, change) for item in value]
    return value


def map_messages(chat: list[dict[str, Any]], change: Any) -> list[dict[str, Any]]:
    """A copy of a chat with all that its messages say changed."""
    return [
        {key: value if key == "role" else map_texts(value, change) for key, value in message.items()}
        for message in chat
    ]


def _normalize_message(
    name: str, message: Any, chat_template: str, modalities: Collection[str], part_options: Collection[str]
) -> dict[str, Any]:
    fields = fields_of(message)
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
    unused = [key for key in fields if key not in ("role", "content") and not is_read(key, chat_template)]
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
            normalize_part(
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
