# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""When CUDA kernels of a call may be recorded, and recordings replayed."""

from typing import Any

import torch
from torch import nn
from transformers import Cache, DynamicCache, PreTrainedModel, StaticCache

from ..compat.cache_name import CACHE_NAME
from .gates import wants_more_than_logits


# Of the prompts that are prefilled by a recording, the length is filled up to a multiple.
GRAPH_TOKENS = 64


def may_replay_graphs(model: nn.Module) -> bool:
    """Whether recordings of a model's CUDA kernels may be replayed now."""
    if torch.compiler.is_compiling() or torch.is_grad_enabled() or model.training:
        return False
    # under autocast, weights are read from copies that are gone afterwards
    return not torch.is_autocast_enabled("cuda")


def may_replay_prefill(
    language_model: PreTrainedModel,
    inputs_embeds: torch.Tensor,
    attention_mask: Any = None,
    position_ids: torch.Tensor | None = None,
    use_cache: bool | None = None,
    **kwargs: Any,
) -> bool:
    """Whether a call is a prefill of prompts without padding that begin a conversation, which a recording can do."""
    cache = kwargs.pop(CACHE_NAME, None)
    return (
        inputs_embeds.shape[1] >= GRAPH_TOKENS  # not a generated token, or a few of a later turn
        and all(value is None or value is False for value in kwargs.values())
        and not wants_more_than_logits(language_model.config)
        and _is_new(DynamicCache(config=language_model.config) if cache is None else cache)
        and _is_whole(attention_mask, position_ids)
    )


def _is_new(cache: Cache) -> bool:
    """Whether nothing has been written into it, and it keeps all that is."""
    is_known = type(cache) in (DynamicCache, StaticCache) and not any(cache.is_sliding)
    return is_known and not any(layer.is_initialized for layer in cache.layers)


def _is_whole(attention_mask: Any, position_ids: torch.Tensor | None) -> bool:
    """Whether prompts are whole, and their tokens are counted from 0 and see those before them."""
    if isinstance(attention_mask, dict):  # of each kind of layer, as `generate` makes them for a cache of fixed size
        if attention_mask.keys() != {"full_attention"}:
            return False
        attention_mask = attention_mask["full_attention"]
    if attention_mask is not None and not isinstance(attention_mask, torch.Tensor):  # flex attention's
        return False
    checks = []
    if attention_mask is not None and attention_mask.ndim == 2:
        checks.append((attention_mask == 1).all())
    elif attention_mask is not None:  # (B, 1, L, length of the cache)
        if attention_mask.dtype != torch.bool:
            return False
        rows, columns = (torch.arange(size, device=attention_mask.device) for size in attention_mask.shape[-2:])
        checks.append((attention_mask == (columns <= rows[:, None])).all())
    if position_ids is not None:
        checks.append((position_ids == torch.arange(position_ids.shape[-1], device=position_ids.device)).all())
    return not checks or bool(torch.stack(checks).all())  # one time only, the GPU is waited for


def makes_one_token(inputs: dict[str, Any]) -> bool:
    """Whether a call has one token of each prompt, a cache whose length is a tensor, and is asked for nothing but logits."""
    cache, ids = inputs[CACHE_NAME], inputs.get("input_ids")
    return (
        type(cache) is StaticCache
        and not any(cache.is_sliding)
        and all(layer.is_initialized for layer in cache.layers)
        and ids is not None
        and ids.shape[1] == 1
        and not (inputs.get("output_hidden_states") or inputs.get("output_attentions"))
    )
