# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The keys of rows: those that are read, those that say nothing to learn from, and no others."""

import difflib
from collections.abc import Mapping
from typing import Any

from ..video.limits import shorten


_READ = {
    "row": ("messages", "conversations", "prompt", "completion", "system", "image", "images", "video", "videos"),
    "turn": ("from", "value"),
    "message": ("role", "content"),
    "text": ("type", "text"),
    "image": ("type", "image", "path", "url"),
    "video": ("type", "video", "path", "url"),
}
# What a row may have beside: it says where the row comes from or what it is about, and changes nothing.
DESCRIPTIVE_KEYS = frozenset(
    {
        "id", "idx", "index", "question_id", "image_id", "video_id", "source", "data_source", "dataset", "split", "category",
        "type", "task", "task_type", "duration", "width", "height", "language", "license", "model", "metadata", "meta",
    }
)  # fmt: skip
# What LLaMA-Factory and ms-swift learn from, and what belongs to it here: nothing.
_CANNOT_BE_HEARD = "the models here do not hear"
_OTHER_TOOLS = {
    "audio": _CANNOT_BE_HEARD,
    "audios": _CANNOT_BE_HEARD,
    "tools": "tools are not called here",
    "objects": "boxes are not put into the text here",
    "label": "rows are not classified here",
    "chosen": "preferences are not learned here",
    "rejected": "preferences are not learned here",
    "rejected_response": "preferences are not learned here",
    "rejected_messages": "preferences are not learned here",
    "kto_tag": "preferences are not learned here",
}


def check_keys(mapping: Mapping[str, Any], of: str) -> None:
    """
    Args:
        mapping (`Mapping[str, Any]`): a row or something in it.
        of (`str`): what it is, one of `"row"`, `"turn"`, `"message"`, and of parts `"text"`, `"image"` and `"video"`.

    Raises:
        ValueError: if it has a key that is not known and has a value: a dataset in columns fills up rows with None.
    """
    for key, value in mapping.items():
        if value is None or key in _READ[of] or (of == "row" and key in DESCRIPTIVE_KEYS):
            continue
        what = "it" if of == "row" else f"a {of}" if of in ("turn", "message") else f"a part of the type {of!r}"
        if of == "row" and key in _OTHER_TOOLS:
            if value in ("", [], {}):
                continue
            raise ValueError(
                f"it has the key `{key}`, but {_OTHER_TOOLS[key]}: take the key out if the row is right without it"
            )
        name = shorten(str(key))
        near = difflib.get_close_matches(name, _READ[of], n=1, cutoff=0.0)[0]
        raise ValueError(
            f"{what} has the unknown key `{name}`, the nearest known one is `{near}`: correct it, or take it out"
        )
