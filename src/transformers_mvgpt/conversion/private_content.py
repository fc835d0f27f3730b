# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""What must not get into a folder that is going to be published."""

import os
import re
from pathlib import Path

from huggingface_hub import get_token


_TEXT_FILES = {".json", ".jinja", ".md", ".py", ".txt"}
# Their words come from the texts that a tokenizer was trained on.
_VOCABULARIES = {"tokenizer.json", "vocab.json", "merges.txt"}
_TOKEN = re.compile(r"\bhf_[A-Za-z0-9]{30,}\b")


def check_nothing_private(folder: Path, source: str) -> None:
    """
    Args:
        folder (`Path`): the folder.
        source (`str`): where its model came from.

    Raises:
        ValueError: if a file holds a path of this computer or an access token.
    """
    paths = [str(Path.home()), str(folder.parent), os.path.abspath(source) if os.path.isdir(source) else ""]
    for file in sorted(folder.iterdir()):
        if file.suffix not in _TEXT_FILES or file.name in _VOCABULARIES:
            continue
        text = file.read_text(encoding="utf-8")
        if _TOKEN.search(text) or ((token := get_token()) and token in text):
            raise ValueError(f"{file.name} would publish an access token: remove it from {source}.")
        for path in paths:
            if len(path) > 1 and re.search(rf"{re.escape(path)}(?!\w)", text):
                raise ValueError(
                    f"{file.name} would publish a path of this computer, {path}: remove it from {source}."
                )
