# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Whether a GGUF file is of a folder's language model. Nobody vouches for it, and on much that is wrong llama.cpp ends the process."""

import math
from collections.abc import Mapping
from typing import Any

from ..video.limits import shorten
from .gguf_header import GGUFHeader


# `model_type` of a language model, and what llama.cpp calls it.
ARCHITECTURES = {"qwen2": "qwen2", "llama": "llama", "phi": "phi2"}
# Of these, rotary embeddings may turn a part of each head.
_ROTATES_A_PART = ("phi2",)
_SIZES = {
    "embedding_length": "hidden_size",
    "block_count": "num_hidden_layers",
    "feed_forward_length": "intermediate_size",
    "attention.head_count": "num_attention_heads",
    "attention.head_count_kv": "num_key_value_heads",
}


def check_belongs(header: GGUFHeader, text_config: Mapping[str, Any], vocabulary: Mapping[str, int] | None) -> None:
    """
    Raises:
        ValueError: if a GGUF file is not of the language model of a folder; it says what differs.
    """
    name = shorten(str(header.path))
    advice = "write both from the same model (`mvgpt export-gguf`)"
    architecture = ARCHITECTURES.get(str(text_config.get("model_type")))
    found = header.fields.get("general.architecture")
    if architecture is None or found != architecture:
        raise ValueError(
            f"{name} is a {shorten(repr(found))} model, and the folder's language model is {shorten(repr(text_config.get('model_type')))}: "
            f"{advice}."
        )
    for key, field in _SIZES.items():
        value, expected = header.fields.get(f"{architecture}.{key}"), text_config.get(field)
        if expected is not None and value != expected:
            raise ValueError(
                f"{name} has `{key}` {shorten(repr(value))}, and the folder's `{field}` is {expected}: {advice}."
            )
    _check_numbers(header, architecture, text_config)
    _check_tensors(header)
    embedding = header.tensors.get("token_embd.weight")
    expected_shape = (text_config.get("vocab_size"), text_config.get("hidden_size"))
    if embedding is None or embedding.shape != expected_shape:
        shape = "none" if embedding is None else embedding.shape
        raise ValueError(
            f"{name} has embeddings of the shape {shape}, and the folder's are {expected_shape}: {advice}."
        )
    tokens = header.fields.get("tokenizer.ggml.tokens")
    for token, id in (vocabulary or {}).items():
        if id < embedding.shape[0] and (not isinstance(tokens, list) or id >= len(tokens) or tokens[id] != token):
            other = tokens[id] if isinstance(tokens, list) and id < len(tokens) else None
            raise ValueError(
                f"{name} has {shorten(repr(other))} as token {id}, and the folder's tokenizer has {shorten(repr(token))}: {advice}."
            )


def _check_numbers(header: GGUFHeader, architecture: str, text_config: Mapping[str, Any]) -> None:
    """
    What llama.cpp takes without looking at it, and ends the process on.

    Raises:
        ValueError: if one of these numbers is absurd or another one than the folder's.
    """
    num_heads = text_config.get("num_attention_heads")
    head_dim = text_config.get("head_dim") or (int(text_config["hidden_size"]) // num_heads if num_heads else 0)
    for key, value in header.fields.items():
        name = key.removeprefix(f"{architecture}.")
        if name == key or not isinstance(value, (int, float)):
            continue
        is_possible = math.isfinite(value) and value >= 0
        if name in ("attention.key_length", "attention.value_length"):
            is_possible = value == head_dim
        elif name == "rope.dimension_count":
            is_possible = value == head_dim or (
                architecture in _ROTATES_A_PART and 0 < value < head_dim and value % 2 == 0
            )
        elif name in ("rope.freq_base", "context_length"):
            is_possible = is_possible and value >= 1
        if not is_possible:
            raise ValueError(
                f"{shorten(str(header.path))} has `{name}` {value}, which the folder's language model cannot have: write it again "
                "(`mvgpt export-gguf`)."
            )


def _check_tensors(header: GGUFHeader) -> None:
    """
    Raises:
        ValueError: if a norm or bias is not in float32. llama.cpp multiplies and adds them without looking, and ends the process.
    """
    for name, tensor in header.tensors.items():
        is_vector = all(size == 1 for size in tensor.shape[:-1])
        if is_vector and tensor.type != "F32":
            raise ValueError(
                f"{shorten(str(header.path))} has `{shorten(name)}` in {tensor.type}, and norms and biases must be in F32: write it again "
                "(`mvgpt export-gguf`)."
            )
