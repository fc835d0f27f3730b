# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
Tokenizers of repositories that have SentencePiece's `tokenizer.model` and nothing else, as MobileVLM's. transformers reads it with the
packages sentencepiece and protobuf; here nothing is needed.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from transformers import AutoTokenizer, LlamaTokenizer
from transformers.tokenization_utils_base import generate_merges
from transformers.utils import cached_file

from ..video.limits import shorten


_MODEL_FILE, _TOKENIZER_FILE = "tokenizer.model", "tokenizer.json"
_OTHER_FILES = ("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json")
_HUB_OPTIONS = ("cache_dir", "force_download", "local_files_only", "proxies", "revision", "subfolder", "token")
# Llama's has half a megabyte, and 32,000 pieces.
_LARGEST_BYTES = 64 * 1024**2
# In characters, of which Llama's have 16 at most. Merges are looked for at each of them.
_LONGEST_PIECE = 256

# Fields of SentencePiece's `ModelProto`, and of the messages in it.
_PIECES, _TRAINER = 1, 2
_PIECE = 1
_MODEL_TYPE, _BPE = 3, 2


def load_tokenizer(path: str | os.PathLike, **options: Any) -> Any:
    """
    As [`~AutoTokenizer.from_pretrained`], of a `tokenizer.model` too.

    Raises:
        ValueError: if that is damaged, or no tokenizer of Llama's kind.
    """
    hub = {name: options[name] for name in _HUB_OPTIONS if name in options}
    quietly = {**hub, "_raise_exceptions_for_missing_entries": False, "_raise_exceptions_for_connection_errors": False}
    model_file = None
    if cached_file(path, _TOKENIZER_FILE, **quietly) is None:
        model_file = cached_file(path, _MODEL_FILE, **quietly)
    if model_file is None:
        return AutoTokenizer.from_pretrained(path, **options)
    vocabulary = _read_vocabulary(model_file)
    with tempfile.TemporaryDirectory() as folder:
        for name in _OTHER_FILES:
            if (file := cached_file(path, name, **quietly)) is not None:
                shutil.copyfile(file, Path(folder, name))
        plain = LlamaTokenizer(vocab=vocabulary, merges=generate_merges(vocabulary), **_added_tokens(folder))
        plain.backend_tokenizer.save(str(Path(folder, _TOKENIZER_FILE)))
        others = {name: value for name, value in options.items() if name not in hub}
        tokenizer = LlamaTokenizer.from_pretrained(folder, **others)
    tokenizer.name_or_path = tokenizer.init_kwargs["name_or_path"] = str(path)
    return tokenizer


def _added_tokens(folder: str) -> dict[str, bool]:
    """What a tokenizer adds to a text, which stands in its config here and in `tokenizer.json` otherwise."""
    file = Path(folder, _OTHER_FILES[0])
    config = json.loads(file.read_text("utf-8")) if file.is_file() else {}
    return {f"add_{name}_token": bool(config.get(f"add_{name}_token", name == "bos")) for name in ("bos", "eos")}


def _read_vocabulary(file: str) -> dict[str, int]:
    """The pieces of a SentencePiece model, and their ids."""
    try:
        if os.path.getsize(file) > _LARGEST_BYTES:
            raise ValueError(f"it has more than {_LARGEST_BYTES:,} bytes")
        pieces, trainer = [], {}
        for field, value in _fields(Path(file).read_bytes()):
            if field == _PIECES:
                pieces.append(dict(_fields(value))[_PIECE].decode("utf-8"))
                if len(pieces[-1]) > _LONGEST_PIECE:
                    raise ValueError(f"a piece has more than {_LONGEST_PIECE} characters")
            elif field == _TRAINER:
                trainer = dict(_fields(value))
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{shorten(file)} is damaged: it cannot be read ({shorten(str(error))}).") from error
    if trainer.get(_MODEL_TYPE) != _BPE or not pieces:
        raise ValueError(f"{shorten(file)} is no tokenizer of Llama's kind: it has no pieces of byte pair encoding.")
    return {piece: number for number, piece in enumerate(pieces)}


def _fields(message: bytes) -> Iterator[tuple[int, Any]]:
    """Number and value of the fields of a message in the wire format of protocol buffers: an integer, or bytes."""
    at = 0

    def integer() -> int:
        nonlocal at
        value = 0
        for shift in range(0, 64, 7):
            byte = message[at]
            at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
        raise ValueError(f"its byte {at} is not what it should be")

    while at < len(message):
        field, kind = divmod(integer(), 8)
        if kind == 0:
            yield field, integer()
            continue
        size = {1: 8, 5: 4}.get(kind)
        if kind == 2:
            size = integer()
        if size is None or at + size > len(message):
            raise ValueError(f"its byte {at} is not what it should be")
        at += size
        yield field, message[at - size : at]
