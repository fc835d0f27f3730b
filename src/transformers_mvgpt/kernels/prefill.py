# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
The prefill: the layers of a language model with compiled element-wise ops, and of the last layer no more than the next token
needs.

Symbols in the shape comments: B prompts, L tokens, h width, G heads of keys and values, D width of a head.
"""

import sys
from contextlib import nullcontext
from typing import Any

import torch
from transformers import DynamicCache, PreTrainedModel
from transformers.masking_utils import create_causal_mask
from transformers.modeling_outputs import BaseModelOutputWithPast

from ..compat.cache_name import CACHE_NAME
from .compiled_functional import CompiledFunctional
from .gates import suits_triton
from .gates_language_model import begins_unpadded, may_keep_last_token
from .numba_elementwise import add_and_normalize as add_and_normalize_on_cpu
from .numba_elementwise import silu_times as silu_times_on_cpu
from .triton_elementwise import add_and_normalize as add_and_normalize_with_triton
from .triton_elementwise import silu_times as silu_times_with_triton
from .triton_prefill import compute_prompts, fill_cache


def prefill(
    language_model: PreTrainedModel,
    inputs_embeds: torch.Tensor,
    attention_mask: torch.Tensor | None = None,
    position_ids: torch.Tensor | None = None,
    use_cache: bool | None = None,
    last_token_only: bool = False,
    **kwargs: Any,
) -> BaseModelOutputWithPast:
    """
    What a language model returns for several tokens, where [`may_prefill`] allows it. Its attentions and linear layers are
    called as they are, whatever they have become; what they return is taken in the dtype of `inputs_embeds`.

    Args:
        language_model (`PreTrainedModel`): without a head.
        inputs_embeds (`torch.Tensor` of shape `(B, L, h)`): float32 or bfloat16; on a GPU, float16 too.
        attention_mask, position_ids, use_cache, kwargs: as the language model takes them.
        last_token_only (`bool`, defaults to `False`): allow `last_hidden_state` to be `(B, 1, h)`, that of the last token.
    """
    cache = kwargs.get(CACHE_NAME)
    config, device = language_model.config, inputs_embeds.device
    use_cache = config.use_cache if use_cache is None else use_cache
    if use_cache and cache is None:
        cache = DynamicCache(config=config)
    if position_ids is None:
        num_cached = 0 if cache is None else cache.get_seq_length()
        position_ids = torch.arange(num_cached, num_cached + inputs_embeds.shape[1], device=device).unsqueeze(0)
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
    keeps_last_token = last_token_only and may_keep_last_token(cache, language_model.layers[-1])
    with torch.cuda.device_of(inputs_embeds):
        if begins_unpadded(language_model, mask, cache):
            keep = _last_token if keeps_last_token else None
            last_hidden_state, keys, values = compute_prompts(
                language_model, inputs_embeds, inputs["position_embeddings"], keep
            )
            if cache is not None:
                fill_cache(cache, keys, values)
        else:
            last_hidden_state = _run_layers(language_model, inputs_embeds, keeps_last_token, inputs)
    return BaseModelOutputWithPast(last_hidden_state, **{CACHE_NAME: cache if use_cache else None})


def _run_layers(
    language_model: PreTrainedModel, inputs_embeds: torch.Tensor, keeps_last_token: bool, inputs: dict[str, Any]
) -> torch.Tensor:
    """The layers with attentions as they are, (B, L, h) -> (B, L or 1, h)."""
    silu_times = silu_times_with_triton if suits_triton(inputs_embeds.device) else silu_times_on_cpu
    attention_mode = CompiledFunctional() if inputs_embeds.device.type == "cpu" else nullcontext()
    hidden = inputs_embeds.clone(memory_format=torch.contiguous_format)
    normed = _add_and_normalize(hidden, None, language_model.layers[0].input_layernorm)
    norms = [*(layer.input_layernorm for layer in language_model.layers[1:]), language_model.norm]
    for layer, next_norm in zip(language_model.layers, norms, strict=True):
        if keeps_last_token and layer is language_model.layers[-1]:
            hidden, normed, inputs = _keep_last_token(layer.self_attn, hidden, normed, inputs)
        with attention_mode:
            attended, _ = layer.self_attn(normed, **inputs)
        normed = _add_and_normalize(hidden, attended, layer.post_attention_layernorm)
        gate, up = (_like(hidden, projection(normed)) for projection in (layer.mlp.gate_proj, layer.mlp.up_proj))
        normed = _add_and_normalize(hidden, layer.mlp.down_proj(silu_times(gate, up)), next_norm)
    return normed


def _last_token(hidden: torch.Tensor) -> torch.Tensor:
    return hidden[:, -1:].contiguous()


def _keep_last_token(
    attention: Any, hidden: torch.Tensor, normed: torch.Tensor, inputs: dict[str, Any]
) -> tuple[torch.Tensor, torch.Tensor, dict[str, Any]]:
    """Writes the keys and values of all tokens but the last, and returns what is left of a layer's inputs."""
    before = normed[:, :-1]
    keys, values = (
        projection(before).unflatten(-1, (-1, attention.head_dim)).transpose(1, 2)  # (B, G, L - 1, D)
        for projection in (attention.k_proj, attention.v_proj)
    )
    cosine, sine = inputs["position_embeddings"]
    rotate = sys.modules[type(attention).__module__].apply_rotary_pos_emb
    _, keys = rotate(keys, keys, cosine[:, :-1], sine[:, :-1])
    inputs[CACHE_NAME].update(keys, values, attention.layer_idx)
    mask = inputs["attention_mask"]
    of_last = {
        **inputs,
        "attention_mask": None if mask is None else mask[:, :, -1:],
        "position_embeddings": (cosine[:, -1:], sine[:, -1:]),
        "position_ids": inputs["position_ids"][:, -1:],
    }
    return _last_token(hidden), normed[:, -1:], of_last


def _add_and_normalize(hidden: torch.Tensor, update: torch.Tensor | None, norm: Any) -> torch.Tensor:
    update = None if update is None else _like(hidden, update)
    compute = add_and_normalize_with_triton if suits_triton(hidden.device) else add_and_normalize_on_cpu
    return compute(hidden, update, norm.weight, norm.variance_epsilon)


def _like(hidden: torch.Tensor, result: torch.Tensor) -> torch.Tensor:
    """What a linear layer returned, as a plain one would: a quantized one may have another dtype or layout."""
    return result.to(hidden.dtype).contiguous()
