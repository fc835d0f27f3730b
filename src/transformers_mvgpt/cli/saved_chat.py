# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""A conversation in a file: JSON that can be given back as chat messages, or Markdown to read."""

import json
import os
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..compat.safetensors_files import full_disk_is_named
from ..video.limits import shorten
from .terminal_text import harmless, harmless_line


_MARKDOWN = (".md", ".markdown")


@dataclass(frozen=True)
class SavedVisual:
    """
    Args:
        source (`str`): path or address of a video or image.
        modality (`str`): `"video"` or `"image"`, as what the model takes it.
        options (`dict`): which segment of it, as a part of a chat says it.
    """

    source: str
    modality: str
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """For people."""
        name = shorten(self.source) if self._is_address else os.path.basename(os.path.abspath(self.source))
        return harmless_line(name)

    @property
    def part(self) -> dict[str, Any]:
        """As a part of a chat message."""
        where = {"url": self.source} if self._is_address else {"path": os.path.abspath(self.source)}
        return {"type": self.modality, **where, **self.options}

    @property
    def _is_address(self) -> bool:
        return self.source[:6].lower().startswith(("http:", "https:", "data:", "file:"))


def check_suffix(path: Path) -> None:
    """
    Raises:
        ValueError: if it does not say which form is meant.
    """
    if path.suffix.lower() not in (".json", *_MARKDOWN):
        raise ValueError(f"'{path.name}' must end in .json, for chat messages, or in .md, to read.")


def save_chat(path: Path, visual: SavedVisual, messages: list[dict[str, Any]]) -> None:
    """
    Raises:
        OSError: if it cannot be written; what was there is as it was.
    """
    if not path.absolute().parent.is_dir():
        raise FileNotFoundError(f"There is no folder {path.absolute().parent} for {path.name}: make it first.")
    if path.suffix.lower() in _MARKDOWN:
        content = _to_markdown(visual, messages)
    else:
        content = json.dumps(_with_visual(visual, messages), indent=2, ensure_ascii=False) + "\n"
    target = Path(os.path.realpath(path))
    with full_disk_is_named(path):
        unfinished = target.with_name(f".{uuid.uuid4().hex}.unfinished")
        try:
            # a name that is no UTF-8 has surrogates, which JSON writes in the same way
            unfinished.write_bytes(content.encode("utf-8", "backslashreplace"))
            os.replace(unfinished, target)
        finally:
            unfinished.unlink(missing_ok=True)


def _with_visual(visual: SavedVisual, messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Chat messages, with the visual in front of the first question."""
    chat = [{**message, "content": [{"type": "text", "text": message["content"]}]} for message in messages]
    first = next(message for message in chat if message["role"] == "user")
    first["content"].insert(0, visual.part)
    return chat


def _to_markdown(visual: SavedVisual, messages: list[dict[str, Any]]) -> str:
    paragraphs = [f"# {visual.name}"]
    for message in messages:
        # who shows the file in a terminal is not to run it
        text = harmless(message["content"].strip())
        # questions as quotes
        paragraphs.append(
            "\n".join(f"> {line}".rstrip() for line in text.split("\n")) if message["role"] == "user" else text
        )
    return "\n\n".join(paragraphs) + "\n"
