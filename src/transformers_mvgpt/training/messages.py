# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Records as people keep them -> chat messages in one form."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ..processing.chat_parts import TYPES_OF_OPENAI, unwrap_part
from ..video.limits import shorten
from .media_folder import MediaFolder
from .row_keys import check_keys


_ROLES = {"human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant", "system": "system"}
_RELEASE_MARKER = re.compile(r"[ \t]*<(?:image|video)>[ \t]*\n?")
# The chat template ends the line of a visual itself.
_MARKER = re.compile(r"<(image|video)>\n?")
_SOURCE_NAMES = {"image": ("image", "path", "url"), "video": ("video", "path", "url")}


def to_messages(record: Any, media: MediaFolder) -> list[dict[str, Any]]:
    """
    Args:
        record:
            Turns, `{"conversations": [{"from": "human" | "gpt", "value": text}]}` or `{"messages": [{"role": ..., "content": text
            or parts}]}`, or `{"prompt": ..., "completion": ...}`, both messages or a text, of which the completion alone is learned; with
            files in `image`, `images`, `video` or `videos`, one or a list, or in the parts. `<image>` and `<video>` in the text stand for
            the files, in their order; those of a prompt without any stand in front of its first question; where `conversations` have
            one `image` or `video`, it is shown before the first question, as in the release's training, with a marker or without.
            `system` is a system prompt.
        media ([`MediaFolder`]): what paths are relative to.

    Returns:
        `list[dict]`: messages whose content is a list of the parts `{"type": "text", "text": ...}`, `{"type": "image",
        "image": ...}` and `{"type": "video", "video": ...}`. What the assistant says in a prompt has `"is_learned"` False.

    Raises:
        ValueError: if the record has another form, an unknown key, markers without files or files without markers, or nothing
            in it is to be learned.
    """
    if not isinstance(record, Mapping):
        raise ValueError(f"it is of the type {type(record).__name__}, not an object")
    check_keys(record, "row")
    forms = [name for name in ("messages", "conversations", "prompt") if record.get(name) is not None]
    if not forms:
        raise ValueError(
            f"it has neither `conversations` nor `messages`, but {shorten(', '.join(map(repr, record)) or 'nothing')}"
        )
    if len(forms) > 1:
        raise ValueError(f"it has both {' and '.join(f'`{name}`' for name in forms)}: leave one")
    [form] = forms
    if form == "prompt":
        messages = [*_turns(record, "prompt", "user", media), *_turns(record, "completion", "assistant", media)]
    else:
        read = _chat_message if form == "messages" else _release_turn
        messages = [read(turn, media) for turn in _list_of(record, form)]
    files = _files(record, media)
    is_of_release = form == "conversations" and not any(map(record.get, ("images", "videos")))
    is_unmarked = form == "prompt" and any(files.values()) and not any(map(_has_place, messages))
    if (is_of_release and sum(map(len, files.values())) == 1) or is_unmarked:
        _put_in_front(messages, files)
    else:
        _put_at_markers(messages, files)
    if system := record.get("system"):
        if not isinstance(system, str):
            raise ValueError(f"`system` is of the type {type(system).__name__}, not text")
        if messages and messages[0]["role"] == "system":
            raise ValueError("it has a system prompt both in `system` and in its first turn: leave one")
        messages.insert(0, {"role": "system", "content": [{"type": "text", "text": system}]})
    if not any(message["role"] == "assistant" for message in messages):
        raise ValueError("it has no turn of the assistant, so that there is nothing to learn")
    return messages


def _list_of(record: Mapping[str, Any], key: str) -> Sequence[Any]:
    turns = record.get(key)
    if not isinstance(turns, Sequence) or isinstance(turns, str):
        raise ValueError(f"`{key}` is of the type {type(turns).__name__}, not a list")
    return turns


def _turns(record: Mapping[str, Any], key: str, role: str, media: MediaFolder) -> list[dict[str, Any]]:
    """The messages of a prompt or completion; a text is a message of the given role."""
    turns = record.get(key)
    turns = [{"role": role, "content": turns}] if isinstance(turns, str) else _list_of(record, key)
    messages = [_chat_message(turn, media) for turn in turns]
    for message in messages:
        if message["role"] == "assistant" and key == "prompt":
            message["is_learned"] = False
        if message["role"] != "assistant" and key == "completion":
            raise ValueError(f"`completion` has a turn of the {message['role']}: only the assistant's are learned")
    return messages


def visuals_of(messages: list[dict[str, Any]], kind: str) -> list[Any]:
    """The sources of the images or of the videos (`kind`), in the order of the prompt."""
    return [part[kind] for message in messages for part in message["content"] if part["type"] == kind]


def _files(record: Mapping[str, Any], media: MediaFolder) -> dict[str, list[Any]]:
    """The sources of both kinds that stand beside the turns."""
    files: dict[str, list[Any]] = {}
    for kind in ("image", "video"):
        one, several = record.get(kind), record.get(f"{kind}s")
        if one and several:
            raise ValueError(f"it has both `{kind}` and `{kind}s`: leave one")
        key, value = (kind, one) if several is None else (f"{kind}s", several)
        if isinstance(value, list):
            files[kind] = [media.locate(source, f"{key}[{index}]") for index, source in enumerate(value)]
        else:
            files[kind] = [] if value is None else [media.locate(value, key)]
    return files


def _has_place(message: dict[str, Any]) -> bool:
    """Whether a visual stands in this message, or a marker for one."""
    return any(part["type"] != "text" or _MARKER.search(part["text"]) for part in message["content"])


def _put_in_front(messages: list[dict[str, Any]], files: dict[str, list[Any]]) -> None:
    """Visuals go in front of the first question; where there is one, wherever its marker stood."""
    num_markers = 0
    for message in messages:
        for part in message["content"]:
            part["text"], count = _RELEASE_MARKER.subn("", part["text"])
            num_markers += count
    if num_markers > 1:
        raise ValueError(f"it has {num_markers} markers <image> or <video>, but 1 visual")
    first = next((message for message in messages if message["role"] == "user"), None)
    if first is None:
        raise ValueError("it has a visual, but no turn of a human to put it in front of")
    visuals = [{"type": kind, kind: source} for kind, sources in files.items() for source in sources]
    first["content"] = [*visuals, *first["content"]]


def _put_at_markers(messages: list[dict[str, Any]], files: dict[str, list[Any]]) -> None:
    """
    Each marker gives way to the next file of its kind, and so does a part without a source. Where all visuals are parts with
    sources, `<video>` in a text is text.
    """
    parts = [part for message in messages for part in message["content"]]
    if not any(files.values()) and any(part["type"] != "text" for part in parts):
        for part in parts:
            if part.get(part["type"]) is None:
                names = ", ".join(_SOURCE_NAMES[part["type"]])
                raise ValueError(f"{part['type']} {shorten(part)} must have one of {names}")
        return
    counts = {"image": 0, "video": 0}

    def next_visual(kind: str, role: str) -> dict[str, Any]:
        if role == "assistant":
            raise ValueError(f"a turn of the assistant has the marker <{kind}>: the model can only say text")
        counts[kind] += 1
        return {"type": kind, kind: files[kind][counts[kind] - 1] if counts[kind] <= len(files[kind]) else None}

    for message in messages:
        content = []
        for part in message["content"]:
            kind = part["type"]
            if kind == "text":
                # text, kind of a marker, text, ...
                pieces = _MARKER.split(part["text"])
                content += [{"type": "text", "text": pieces[0]}] if pieces[0] or len(pieces) == 1 else []
                for marked, text in zip(pieces[1::2], pieces[2::2], strict=True):
                    content.append(next_visual(marked, message["role"]))
                    content += [{"type": "text", "text": text}] if text else []
            else:
                content.append(part if part[kind] is not None else next_visual(kind, message["role"]))
        message["content"] = content
    if (num_markers := sum(counts.values())) and not any(files.values()):
        raise ValueError(
            f"it has {num_markers} markers <image> or <video>, but 0 visuals: name the files in `images` or `videos`, or take the "
            "markers out"
        )
    for kind, count in counts.items():
        if count != len(files[kind]):
            raise ValueError(
                f"it has {count} markers <{kind}>, but {len(files[kind])} visuals in `{kind}s` or `{kind}`: a marker stands for each"
            )


def _release_turn(turn: Any, media: MediaFolder) -> dict[str, Any]:
    role = _role(turn, "from")
    check_keys(turn, "turn")
    return {"role": role, "content": [{"type": "text", "text": _text(turn, "value")}]}


def _chat_message(message: Any, media: MediaFolder) -> dict[str, Any]:
    role, content = _role(message, "role"), message.get("content")
    check_keys(message, "message")
    if isinstance(content, str):
        return {"role": role, "content": [{"type": "text", "text": content}]}
    if not isinstance(content, list):
        raise ValueError(
            f"the content of a message is of the type {type(content).__name__}, not text or a list of parts"
        )
    return {"role": role, "content": [_chat_part(part, media) for part in content]}


def _chat_part(part: Any, media: MediaFolder) -> dict[str, Any]:
    kind = part.get("type") if isinstance(part, Mapping) else None
    if isinstance(kind, str) and kind in TYPES_OF_OPENAI:
        fields = {key: value for key, value in part.items() if value is not None and key != "type"}
        try:
            kind = unwrap_part("a part of a message", kind, fields, ())
        except ValueError as error:
            raise ValueError(str(error).rstrip(".")) from None
        part = {"type": kind, **fields}
    if not isinstance(kind, str) or kind not in ("text", *_SOURCE_NAMES):
        raise ValueError(f"a part of a message is {shorten(part)}: its `type` must be 'text', 'image' or 'video'")
    check_keys(part, kind)
    if kind == "text":
        return {"type": "text", "text": _text(part, "text")}
    # an Arrow table gives all parts the same names, most of them empty
    sources = [name for name in _SOURCE_NAMES[kind] if part.get(name) is not None]
    if len(sources) > 1:
        raise ValueError(f"{kind} {shorten(part)} must have one of {', '.join(_SOURCE_NAMES[kind])}")
    return {"type": kind, kind: media.locate(part[sources[0]], sources[0]) if sources else None}


def _role(message: Any, name: str) -> str:
    role = message.get(name) if isinstance(message, Mapping) else None
    if not isinstance(role, str) or role not in _ROLES:
        raise ValueError(f"a message has {name} {shorten(repr(role))}; known are {', '.join(map(repr, _ROLES))}")
    return _ROLES[role]


def _text(message: Mapping[str, Any], name: str) -> str:
    if not isinstance(message.get(name), str):
        raise ValueError(f"a message has no text in `{name}`: {shorten(message)}")
    return message[name]
