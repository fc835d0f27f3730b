# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
A prompt on CPU: the layers of a Qwen2 language model with compiled parts between their matrix products, and of the last
layer no more than the next token needs.
"""

from typing import Any

import torch
from torch import nn
from transformers import DynamicCache, PreTrainedModel
from transformers.masking_utils import create_causal_mask
from transformers.modeling_outputs import BaseModelOutputWithPast
from transformers.models.qwen2.modeling_qwen2 import (
    Qwen2Attention,
    Qwen2DecoderLayer,
    Qwen2RMSNorm,
    apply_rotary_pos_emb,
)

from ..compat.cache_name import CACHE_NAME
from .gates import is_plain, is_plain_layer, is_plain_model, may_be_compiled
from .numba_elementwise import add_and_normalize, silu_times


def read_prompt_on_cpu(
    language_model: PreTrainedModel,
    inputs_embeds: torch.Tensor,
    attention_mask: torch.Tensor | None = None,
    position_ids: torch.Tensor | None = None,
    use_cache: bool | None = None,
    last_row_only: bool = False,
    **kwargs: Any,
) -> BaseModelOutputWithPast | None:
    """
    What a language model returns for several tokens, on CPU and without gradients. Its attentions and linear layers are
    called as they are, whatever they have become; what they return is taken in the dtype of `inputs_embeds`.

    Args:
        language_model (`PreTrainedModel`): without a head.
        inputs_embeds (`torch.Tensor` of shape `(B, L, h)`): float32 or bfloat16.
        attention_mask, position_ids, use_cache, kwargs: as the language model takes them.
        last_row_only (`bool`, defaults to `False`): allow `last_hidden_state` to be `(B, 1, h)`, that of the last token.

    Returns:
        `BaseModelOutputWithPast`, or `None` where this would not do the same: see `gates.py`.
    """
    cache = kwargs.pop(CACHE_NAME, None)
    if not (
        may_be_compiled(inputs_embeds, **kwargs)
        and inputs_embeds.shape[1] > 1
        and isinstance(attention_mask, torch.Tensor | None)
        and is_plain_model(language_model)
        and _has_plain_norm(language_model.norm, inputs_embeds.dtype)
        and all(_is_known_layer(layer, inputs_embeds.dtype) for layer in language_model.layers)
    ):
        return None
    config = language_model.config
    use_cache = config.use_cache if use_cache is None else use_cache
    if use_cache and cache is None:
        cache = DynamicCache(config=config)
    if position_ids is None:
        num_cached = 0 if cache is None else cache.get_seq_length()
        position_ids = torch.arange(num_cached, num_cached + inputs_embeds.shape[1], device="cpu").unsqueeze(0)
    mask = create_causal_mask(
        config=config,
        inputs_embeds=inputs_embeds,
        attention_mask=attention_mask,
        position_ids=position_ids,
        **{CACHE_NAME: cache},
    )
    inputs = {
        "attention_mask": mask,
        "position_embeddings": language_model.rotary_emb(inputs_embeds, position_ids),
        "position_ids": position_ids,
        "use_cache": use_cache,
        CACHE_NAME: cache,
    }
    hidden = inputs_embeds.clone(memory_format=torch.contiguous_format)
    normed = _add_and_normalize(hidden, None, language_model.layers[0].input_layernorm)
    keeps_last_row = (
        last_row_only and type(cache) is DynamicCache and not cache.offloading and not any(cache.is_sliding)
    )
    norms = [*(layer.input_layernorm for layer in language_model.layers[1:]), language_model.norm]
    for layer, next_norm in zip(language_model.layers, norms, strict=True):
        if keeps_last_row and layer is language_model.layers[-1] and not _has_hooks(layer):
            hidden, normed, inputs = _keep_last_row(layer.self_attn, hidden, normed, inputs)
        attended, _ = layer.self_attn(normed, **inputs)
        normed = _add_and_normalize(hidden, attended, layer.post_attention_layernorm)
        gate, up = (_like(hidden, projection(normed)) for projection in (layer.mlp.gate_proj, layer.mlp.up_proj))
        normed = _add_and_normalize(hidden, layer.mlp.down_proj(silu_times(gate, up)), next_norm)
    return BaseModelOutputWithPast(normed, **{CACHE_NAME: cache if use_cache else None})


def _keep_last_row(
    attention: Qwen2Attention, hidden: torch.Tensor, normed: torch.Tensor, inputs: dict[str, Any]
) -> tuple[torch.Tensor, torch.Tensor, dict[str, Any]]:
    """Writes the keys and values of all tokens but the last, and returns what is left of a layer's inputs."""
    before = normed[:, :-1]
    keys, values = (
        projection(before).unflatten(-1, (-1, attention.head_dim)).transpose(1, 2)  # (B, G, L - 1, D)
        for projection in (attention.k_proj, attention.v_proj)
    )
    cosine, sine = inputs["position_embeddings"]
    _, keys = apply_rotary_pos_emb(keys, keys, cosine[:, :-1], sine[:, :-1])
    inputs[CACHE_NAME].update(keys, values, attention.layer_idx)
    mask = inputs["attention_mask"]
    of_last = {
        **inputs,
        "attention_mask": None if mask is None else mask[:, :, -1:],
        "position_embeddings": (cosine[:, -1:], sine[:, -1:]),
        "position_ids": inputs["position_ids"][:, -1:],
    }
    return hidden[:, -1:].contiguous(), normed[:, -1:], of_last


def _add_and_normalize(hidden: torch.Tensor, update: torch.Tensor | None, norm: Qwen2RMSNorm) -> torch.Tensor:
    update = None if update is None else _like(hidden, update)
    return add_and_normalize(hidden, update, norm.weight, norm.variance_epsilon)


def _like(hidden: torch.Tensor, result: torch.Tensor) -> torch.Tensor:
    """What a linear layer returned, as a plain one would: a quantised one may have another dtype or layout."""
    return result.to(hidden.dtype).contiguous()


def _is_known_layer(layer: Qwen2DecoderLayer, dtype: torch.dtype) -> bool:
    return (
        is_plain_layer(layer)
        and all(_has_plain_norm(norm, dtype) for norm in (layer.input_layernorm, layer.post_attention_layernorm))
        # its result is overwritten, which may not happen to what somebody keeps
        and not _has_hooks(layer.mlp.gate_proj)
    )


def _has_hooks(module: nn.Module) -> bool:
    """Whether somebody looks at it, or at a part of it."""
    return any(part._forward_hooks or part._forward_pre_hooks for part in module.modules())


def _has_plain_norm(norm: Qwen2RMSNorm, dtype: torch.dtype) -> bool:
    weight = norm.weight
    return is_plain(norm, Qwen2RMSNorm) and weight.dtype == dtype and weight.device.type == "cpu"
