# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""A question, or a chat that ends with one, as a chat about visuals."""

from collections.abc import Sequence
from typing import Any

from ..video.limits import shorten
from .chat_messages import texts_of


def place_visuals(
    question: str | list[dict[str, Any]], modalities: Sequence[str], given_to: str
) -> list[dict[str, Any]]:
    """
    The chat, with a placeholder for each visual in front of its first question.

    Args:
        question (`str` or `list[dict]`): the question, or a chat of text messages.
        modalities (`Sequence[str]`): `"image"` or `"video"`, for each visual in its order.
        given_to (`str`): what takes the visuals themselves, for messages.

    Raises:
        ValueError: if there is no question at its end, or a message is not text.
    """
    chat: Any = [{"role": "user", "content": question}] if isinstance(question, str) else question
    if not isinstance(chat, list) or not all(isinstance(message, dict) for message in chat):
        raise ValueError(
            f"A question must be a string or a chat, a list of messages, got {type(question).__name__} "
            f"{shorten(repr(question))}."
        )
    messages = [{**message, "content": _text_parts(message, modalities[-1], given_to)} for message in chat]
    roles = [message.get("role") for message in messages]
    if roles[-1:] != ["user"]:
        raise ValueError(
            f"A chat must end with a question, a message of the role 'user', got the roles {shorten(roles)}."
        )
    if not any(text.strip() for text in texts_of(messages[-1]["content"])):
        raise ValueError("The question is missing: the text is empty. Say what to answer.")
    first = messages[roles.index("user")]
    first["content"] = [*({"type": modality} for modality in modalities), *first["content"]]
    return messages


def _text_parts(message: dict[str, Any], modality: str, given_to: str) -> list[dict[str, Any]]:
    content: Any = message.get("content")
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    if isinstance(content, list) and all(isinstance(part, dict) and part.get("type") == "text" for part in content):
        return content
    raise ValueError(
        f"A message must be text, got {shorten(repr(content))}: the {modality} is given once, to `{given_to}`, and there are no "
        "other visuals."
    )
