# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The JSON files of a model's folder, looked at before transformers reads them, whose errors do not name the file."""

import json
import os
from typing import Any

from ..video.limits import shorten


_FILES = (
    "config.json",
    "generation_config.json",
    "processor_config.json",
    "preprocessor_config.json",
    "video_preprocessor_config.json",
    "tokenizer_config.json",
    "tokenizer.json",
)
# Vocabularies of a quarter of a million tokens take a tenth of it.
_MAX_BYTES = 256 * 1024**2


def read_json_object(path: str | os.PathLike) -> dict[str, Any]:
    """
    Raises:
        ValueError: if the file holds no JSON object, or more than any file of a model's folder.
    """
    check_json_size(path)
    try:
        with open(path, encoding="utf-8") as file:
            content = json.load(file)
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"{shorten(os.fspath(path))} is damaged: it is no JSON ({shorten(str(error))}). Copy it again."
        ) from error
    if not isinstance(content, dict):
        raise ValueError(
            f"{shorten(os.fspath(path))} must hold a JSON object, not {shorten(repr(content))}. Copy it again."
        )
    return content


def check_json_size(path: str | os.PathLike) -> None:
    """
    Raises:
        ValueError: if a file is larger than any JSON file of a model's folder.
    """
    if (size := os.path.getsize(path)) > _MAX_BYTES:
        raise ValueError(
            f"{shorten(os.fspath(path))} has {size:,} bytes; at most {_MAX_BYTES:,} are read. It is none of a model's files."
        )


def check_json_files(folder: str | os.PathLike) -> None:
    """
    Raises:
        ValueError: if one of them is no JSON object, or the tokenizer has no model. Those that are not there are passed over.
    """
    for name in _FILES:
        path = os.path.join(folder, name)
        if not os.path.isfile(path):
            continue
        content = read_json_object(path)
        if name == "tokenizer.json" and not (
            isinstance(content.get("model"), dict) and isinstance(content.get("added_tokens"), list)
        ):
            raise ValueError(f"{shorten(path)} is no tokenizer: it lacks `model` or `added_tokens`. Copy it again.")
