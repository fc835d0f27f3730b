# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
A tokenizer as llama.cpp has it: the tokens with their types, and merges (byte-level BPE) or scores (SentencePiece's BPE).

Two things llama.cpp does its own way, and a file cannot change: it does not normalize a text to NFC, and it puts the space that
SentencePiece's tokenizers begin a text with behind each control token too.
"""

import json
from dataclasses import dataclass, field
from typing import Any

from ..video.limits import shorten


# Types of tokens in a GGUF file.
NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = 1, 2, 3, 4, 5, 6

_QWEN2_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


@dataclass
class Vocabulary:
    """
    Args:
        model (`str`): `"gpt2"` for byte-level BPE, `"llama"` for SentencePiece's.
        pre_tokenizer (`str`): llama.cpp's name for how a text is split before merges.
        tokens (`list[str]`), types (`list[int]`): as many as the embedding has rows.
        merges (`list[str]`): for `"gpt2"`, in the order of their ranks.
        scores (`list[float]`): for `"llama"`, as many as tokens.
        special_ids (`dict[str, int]`): of `"bos"`, `"eos"`, `"eot"`, `"unk"` and `"pad"`, those that there are.
        adds_bos, adds_space (`bool`): whether a text begins with the token `"bos"`, and with a space.
    """

    model: str
    pre_tokenizer: str
    tokens: list[str]
    types: list[int]
    merges: list[str] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    special_ids: dict[str, int] = field(default_factory=dict)
    adds_bos: bool = False
    adds_space: bool = False


def read_vocabulary(tokenizer: Any, num_rows: int, eos_token_id: int | list[int] | None) -> Vocabulary:
    """
    The vocabulary of a tokenizer.

    Args:
        tokenizer (`PreTrainedTokenizerBase`): of the package `tokenizers`.
        num_rows (`int`):
            Rows of the embedding. Where it has more of them than there are tokens, unused ones take their places; tokens
            beyond it, such as placeholders of visuals, are left out.
        eos_token_id (`int` or `list[int]`, *optional*): what ends an answer.

    Raises:
        ValueError: if llama.cpp has no such tokenizer.
    """
    content = json.loads(tokenizer.backend_tokenizer.to_str())
    model = content["model"]
    if model["type"] != "BPE":
        raise ValueError(
            f"The tokenizer is of the type {shorten(repr(model['type']))}, not 'BPE', which is what the language models of "
            "these families have: a GGUF file cannot hold it."
        )
    has_bytes = bool(model["byte_fallback"])
    tokens, types = _tokens_and_types(content, num_rows)
    vocabulary = Vocabulary("llama" if has_bytes else "gpt2", "default", tokens, types)
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in model["merges"]]
    if has_bytes:
        vocabulary.adds_space = _adds_space(content)
        vocabulary.scores = _scores(merges, tokens)
    else:
        vocabulary.pre_tokenizer = _pre_tokenizer(content)
        vocabulary.merges = merges
    end_ids = [eos_token_id] if isinstance(eos_token_id, int) else list(eos_token_id or [])
    known = {
        "bos": tokenizer.bos_token_id,
        "eos": end_ids[0] if end_ids else tokenizer.eos_token_id,
        "eot": end_ids[1] if len(end_ids) > 1 else None,
        "unk": tokenizer.unk_token_id if has_bytes else None,
        "pad": tokenizer.pad_token_id,
    }
    vocabulary.special_ids = {name: id for name, id in known.items() if id is not None and id < num_rows}
    first = tokenizer("a")["input_ids"][:1]
    vocabulary.adds_bos = tokenizer.bos_token_id is not None and first == [tokenizer.bos_token_id]
    return vocabulary


def _tokens_and_types(content: dict[str, Any], num_rows: int) -> tuple[list[str], list[int]]:
    model = content["model"]
    tokens = [f"[PAD{row}]" for row in range(num_rows)]
    types = [UNUSED] * num_rows
    for token, row in model["vocab"].items():
        if row >= num_rows:
            continue
        tokens[row], types[row] = token, NORMAL
        if model["byte_fallback"] and len(token) == 6 and token.startswith("<0x"):
            types[row] = BYTE
    for added in content["added_tokens"]:
        row = added["id"]
        if row >= num_rows:
            continue
        tokens[row] = added["content"]
        types[row] = CONTROL if added["special"] else USER_DEFINED
        if model["byte_fallback"] and added["content"] == "<unk>":
            types[row] = UNKNOWN
    return tokens, types


def _pre_tokenizer(content: dict[str, Any]) -> str:
    """llama.cpp's name for it."""
    found = content["pre_tokenizer"] or {}
    parts = found.get("pretokenizers", [found])
    patterns = [(part.get("pattern") or {}).get("Regex") for part in parts if part.get("type") == "Split"]
    byte_levels = [part for part in parts if part.get("type") == "ByteLevel"]
    if len(byte_levels) == 1 and len(parts) == 1 + len(patterns) and not byte_levels[0]["add_prefix_space"]:
        if patterns == [_QWEN2_PATTERN] and not byte_levels[0]["use_regex"]:
            return "qwen2"
        if not patterns and byte_levels[0]["use_regex"]:
            return "gpt-2"
    raise ValueError(
        f"The tokenizer splits texts as {shorten(json.dumps(found))} says, which is neither Qwen2's way nor GPT-2's: llama.cpp would "
        "have other tokens."
    )


def _adds_space(content: dict[str, Any]) -> bool:
    """Whether a text begins with a space: by a pre-tokenizer or, in older files, a normalizer."""
    pre_tokenizer, normalizer = content["pre_tokenizer"] or {}, content["normalizer"] or {}
    if pre_tokenizer.get("type") == "Metaspace":
        return pre_tokenizer["prepend_scheme"] != "never"
    parts = normalizer.get("normalizers", [normalizer])
    if not pre_tokenizer and any(part.get("type") == "Replace" for part in parts):
        return any(part.get("type") == "Prepend" for part in parts)
    raise ValueError(
        f"The tokenizer splits texts as {shorten(json.dumps(pre_tokenizer or normalizer))} says, which is not SentencePiece's way: "
        "llama.cpp would have other tokens."
    )


def _scores(merges: list[str], tokens: list[str]) -> list[float]:
    """The earlier a token is merged, the higher its score, as in SentencePiece's file."""
    ranks: dict[str, int] = {}
    for rank, merge in enumerate(merges):
        ranks.setdefault(merge.replace(" ", ""), rank)
    return [-float(ranks.get(token, 0)) for token in tokens]
