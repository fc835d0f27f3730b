# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Parts of chat messages, text and visuals, in the forms of transformers and of OpenAI's API, brought to one."""

import dataclasses
import re
from collections.abc import Collection, Mapping
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
# Where a part may have its visual.
SOURCES = {"image": ("image", "url", "path", "base64"), "video": ("video", "url", "path")}
# OpenAI's types of parts, and what they are here.
TYPES_OF_OPENAI = {
    "image_url": "image",
    "video_url": "video",
    "input_image": "image",
    "input_video": "video",
    "input_text": "text",
}
# How closely an image is to be looked at. Here images have one size, so that it changes nothing.
_DETAILS = ("auto", "low", "high", "original")
_FORMAT = re.compile(r"[\w.+-]{1,40}")


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


def normalize_part(
    name: str, part: Any, chat_template: str, modalities: Collection[str], part_options: Collection[str]
) -> dict[str, Any]:
    """
    A part of a chat as `{"type": ..., type: ...}`, and what else a template reads of it. See `normalize_chat`.

    Args:
        name: What messages call it.

    Raises:
        ValueError: on anything that would be ignored or misread.
    """
    fields = fields_of(part)
    if fields is None:
        raise ValueError(
            f"{name} must be a dictionary such as {{'type': 'text', 'text': ...}}, got {type(part).__name__} {shorten(repr(part))}."
        )
    kind = fields.pop("type", None)
    if kind in TYPES_OF_OPENAI:
        kind = unwrap_part(name, kind, fields, part_options)
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
    _refuse_unknown(name, fields, kind, (*SOURCES[kind], *options))
    sources = {key: fields[key] for key in SOURCES[kind] if key in fields}
    if len(sources) > 1:
        raise ValueError(f"{name} has {' and '.join(map(repr, sources))}: it may have one {kind} only.")
    given = {key: fields[key] for key in options if key in fields}
    if not sources:
        if given:
            raise ValueError(f"{name} has {', '.join(map(repr, given))} but no video to apply that to.")
        return {"type": kind}
    [(key, source)] = sources.items()
    # a template that writes an address gets it
    written = {key: source} if key != kind and isinstance(source, str) and is_read(key, chat_template) else {}
    return {"type": kind, kind: VideoWithOptions(source, given) if given else source, **written}


def unwrap_part(name: str, kind: str, fields: dict[str, Any], part_options: Collection[str]) -> str:
    """
    Brings a part of one of OpenAI's types to the form of transformers, in place, and returns its type there:

        {"type": "video_url", "video_url": {"url": address, "fps": 2}}, also with an address instead of the dictionary
        {"type": "input_video", "input_video": {"data": base64, "format": "mp4"}}, or `data` and `format` in the part itself
    """
    visual = TYPES_OF_OPENAI[kind]
    if visual == "text":
        return visual
    keys = [key for key in (f"{visual}_url", f"input_{visual}") if key in fields]
    if len(keys) > 1:
        raise ValueError(f"{name} has {' and '.join(map(repr, keys))}: it may have one {visual} only.")
    source: Any = None
    if keys:
        source = fields.pop(keys[0])
    elif kind.startswith("input_") and "data" in fields:
        source = {key: fields.pop(key) for key in ("data", "format") if key in fields}
    elif kind.startswith("input_") and any(key in fields for key in SOURCES[visual]):
        return visual
    given = {"url": source} if isinstance(source, str) else fields_of(source) or {}
    if visual == "image":
        for place in (fields, given):
            if "detail" in place and place.pop("detail") not in _DETAILS:
                raise ValueError(f"{name} must have as its 'detail' one of {', '.join(map(repr, _DETAILS))}.")
    options = {key: given.pop(key) for key in part_options if key in given and visual == "video"}
    if "url" in given and "data" in given:
        raise ValueError(f"{name} has 'url' and 'data': it may have one {visual} only.")
    if isinstance(given.get("data"), str):
        given["url"] = _address_of(name, visual, given.pop("data"), given.pop("format", "mp4"))
    address = given.pop("url", None)
    if not isinstance(address, str):
        raise ValueError(
            f"{name} must have its address as '{visual}_url': {{'url': ...}}, got {shorten(repr(source))}."
        )
    _refuse_unknown(name, given, kind, ("url", *(part_options if visual == "video" else ("detail",))))
    if twice := [key for key in ("url", *options) if key in fields]:
        raise ValueError(f"{name} has {twice[0]!r} twice: leave one of them out.")
    fields |= {"url": address, **options}
    return visual


def _address_of(name: str, visual: str, data: str, kind: Any) -> str:
    """The `data:` address of what is base64; what it is, its own first bytes tell."""
    if data.startswith("data:"):
        return data
    if not isinstance(kind, str) or not _FORMAT.fullmatch(kind):
        raise ValueError(f"{name} must have a 'format' such as 'mp4', got {shorten(repr(kind))}.")
    return f"data:{visual}/{kind};base64,{data}"


def _refuse_unknown(name: str, fields: dict[str, Any], kind: str, known: tuple[str, ...]) -> None:
    for key in fields:
        if key not in known:
            ours = _OTHER_NAMES.get(key)
            way_out = f"it is called {ours!r} here" if ours in known else f"it may have {', '.join(map(repr, known))}"
            raise ValueError(f"{name}, of the type {kind!r}, has the unknown key {shorten(repr(key))}: {way_out}.")


def is_read(key: Any, chat_template: str) -> bool:
    """Whether the template looks at this key of something: `message.key`, `message['key']` or `message.get('key')`."""
    name = re.escape(str(key))
    return re.search(rf"\.{name}\b|(\[|get\()\s*['\"]{name}['\"]", chat_template) is not None


def fields_of(value: Any) -> dict[str, Any] | None:
    """What is given of a message or part, as a new dictionary."""
    if callable(getattr(value, "model_dump", None)):
        value = value.model_dump()  # pydantic, such as the OpenAI client's
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if not isinstance(value, Mapping):
        return None
    return {key: item for key, item in value.items() if item is not None}
