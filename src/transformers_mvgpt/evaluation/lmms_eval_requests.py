# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""What lmms-eval's tasks ask, as chats and options of the pipeline. Needs no lmms-eval."""

import os
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from PIL.Image import Image
from transformers import GenerationConfig

from ..video.limits import shorten


_IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".gif", ".tiff", ".webp"}
_GENERATE_OPTIONS = {name for name in vars(GenerationConfig()) if not name.startswith("_")}
# What only says how to draw at random.
_OF_SAMPLING = {"do_sample", "temperature", "top_p", "top_k", "min_p", "typical_p"}

# The ends of a segment in seconds, by what tasks call them: in parts of messages, and in visuals.
_ENDS = {
    "start_time": "start_seconds",
    "end_time": "end_seconds",
    "video_start": "start_seconds",
    "video_end": "end_seconds",
}


def chat_about(visuals: Iterable[Any] | None, text: str, kinds: Collection[str]) -> list[dict[str, Any]]:
    """
    Args:
        visuals (`Iterable`, *optional*): what a task's `doc_to_visual` returned.
        text (`str`): what is asked about them.
        kinds (`Collection[str]`): what the model takes, `"image"`, `"video"` or both.

    Returns:
        `list[dict]`: a chat as the processor takes it, in which the visuals stand before the text.

    Raises:
        ValueError: if the model does not take a visual.
    """
    parts = [_visual_part(visual, _kind_of(visual), kinds) for visual in visuals or ()]
    return [{"role": "user", "content": [*parts, {"type": "text", "text": text}]}]


def to_chat(messages: Iterable[Mapping[str, Any]], kinds: Collection[str]) -> list[dict[str, Any]]:
    """As [`chat_about`], of the messages that a task's `doc_to_messages` returned: their visuals are under `"url"`."""
    return [{**message, "content": _content(message["content"], kinds)} for message in messages]


def generate_options(generation_kwargs: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """
    Args:
        generation_kwargs (`Mapping[str, Any]`): those of a task. What `generate` does not know is for other models.

    Returns:
        The arguments of `generate`, greedy unless the task wants a temperature above 0, and the texts before which an answer ends.
    """
    options = {name: value for name, value in generation_kwargs.items() if name in _GENERATE_OPTIONS}
    temperature = options.get("temperature")
    if temperature == 0 or not options.get("do_sample", temperature is not None):
        options = {name: value for name, value in options.items() if name not in _OF_SAMPLING} | {"do_sample": False}
    else:
        options["do_sample"] = True
    until = generation_kwargs.get("until") or []
    return options, [until] if isinstance(until, str) else list(filter(None, until))


def cut_at(text: str, stops: Iterable[str]) -> str:
    """The text before the first of these."""
    for stop in stops:
        text = text.partition(stop)[0]
    return text


def _content(content: Any, kinds: Collection[str]) -> Any:
    if isinstance(content, str):
        return content
    return [
        part if part["type"] == "text" else _visual_part({**part, "url": part.get("url")}, part["type"], kinds)
        for part in content
    ]


def _kind_of(visual: Any) -> str:
    """As lmms-eval tells them; what may be sound is opened as a video, which says that it has no pictures."""
    if isinstance(visual, Mapping):
        return visual.get("type", "video")
    is_image = isinstance(visual, Image) or (
        isinstance(visual, str) and os.path.splitext(visual)[1].lower() in _IMAGE_SUFFIXES
    )
    return "image" if is_image else "video"


def _visual_part(visual: Any, kind: str, kinds: Collection[str]) -> dict[str, Any]:
    options: dict[str, Any] = {}
    # a part of a message may hold a visual, which may hold its path
    while isinstance(visual, Mapping) and {"url", "path", *_ENDS} & visual.keys() and "bytes" not in visual:
        options |= {ours: visual[name] for name, ours in _ENDS.items() if visual.get(name) is not None}
        visual = visual["path"] if visual.get("url") is None else visual["url"]
    if kind == "audio" and isinstance(visual, str) and visual.lower().endswith(".webm"):
        kind = "video"  # lmms-eval takes all WebM files for sound
    if kind not in kinds:
        raise ValueError(
            f"The task shows {shorten(repr(visual))}, of the kind {kind!r}, and this model takes "
            f"{' and '.join(f'{taken}s' for taken in kinds)} alone: choose tasks about those, or another model."
        )
    return {"type": kind, kind: visual, **options}
