# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
The layers of a language model on a GPU, for prompts that begin a conversation and have no padding: twelve kernels a layer, and
no copies between them.

Symbols in the shape comments: B prompts, L tokens, h width, N layers, H heads of queries, G heads of keys and values, D width of
a head.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from transformers import Cache, DynamicCache, PreTrainedModel
from transformers.cache_utils import DynamicLayer

from .gpu_attention import attend
from .plain_linear import apply_linear, is_plain_linear
from .triton_elementwise import add_and_normalize, rotate, silu_times


class ComputedPrompts(NamedTuple):
    """
    Args:
        last_hidden_state (`torch.Tensor` of shape `(B, L, h)`): of the tokens that were kept.
        keys, values (`torch.Tensor` of shape `(N, B, G, L, D)`): of all tokens, contiguous.
    """

    last_hidden_state: torch.Tensor
    keys: torch.Tensor
    values: torch.Tensor


def compute_prompts(
    language_model: PreTrainedModel,
    inputs_embeds: torch.Tensor,
    position_embeddings: tuple[torch.Tensor, torch.Tensor],
    keep: Callable[[torch.Tensor], torch.Tensor] | None = None,
) -> ComputedPrompts:
    """
    What a language model computes of whole prompts, where [`may_prefill`] and [`begins_unpadded`] allow it. Linear layers that
    are not plain are called as they are; what they return is taken in the dtype of `inputs_embeds`.

    Args:
        language_model (`PreTrainedModel`): without a head.
        inputs_embeds (`torch.Tensor` of shape `(B, L, h)`): on the current GPU, of at most 32 bits.
        position_embeddings (`tuple`): cosine and sine, `(B, L, D)` or `(1, L, D)` each, as `language_model.rotary_emb` makes them.
        keep (`Callable`, *optional*): picks the tokens whose last hidden states are wanted, `(B, L, width)` to a contiguous
            `(B, tokens, width)`; the others' are left out of what follows the last attention.
    """
    layers = language_model.layers
    batch_size, length, _ = inputs_embeds.shape
    memory: torch.Tensor | None = None
    norms = [*(layer.input_layernorm for layer in layers[1:]), language_model.norm]
    cosine, sine = (angles.contiguous() for angles in position_embeddings)
    hidden = inputs_embeds.clone(memory_format=torch.contiguous_format)
    normed = _add_and_normalize(hidden, None, layers[0].input_layernorm)
    for index, (layer, next_norm) in enumerate(zip(layers, norms, strict=True)):
        attention, mlp = layer.self_attn, layer.mlp
        queries = apply_linear(attention.q_proj, normed)
        if not is_plain_linear(attention.q_proj):
            queries = queries.clone()  # somebody may keep what it returned
        keys, values = apply_linear(attention.k_proj, normed), apply_linear(attention.v_proj, normed)
        if memory is None:
            num_key_heads = keys.shape[-1] // attention.head_dim
            memory = keys.new_empty(2, len(layers), batch_size, num_key_heads, length, attention.head_dim)
        ordered_keys, ordered_values = memory[:, index].unbind()  # (B, G, L, D) each
        rotate(queries, keys, values, cosine, sine, ordered_keys, ordered_values)
        queries = queries.view(batch_size, length, -1, attention.head_dim).transpose(1, 2)  # (B, H, L, D)
        attended = attend(queries, ordered_keys, ordered_values, attention.scaling, is_causal=True)
        attended = attended.transpose(1, 2).reshape(batch_size, length, -1)  # (B, L, H * D)
        if keep is not None and next_norm is language_model.norm:
            hidden, attended = keep(hidden), keep(attended)
        normed = _add_and_normalize(hidden, apply_linear(attention.o_proj, attended), layer.post_attention_layernorm)
        inner = silu_times(apply_linear(mlp.gate_proj, normed), apply_linear(mlp.up_proj, normed))
        normed = _add_and_normalize(hidden, apply_linear(mlp.down_proj, inner), next_norm)
    assert memory is not None  # there is a layer
    return ComputedPrompts(normed, *memory.unbind())


def fill_cache(cache: Cache, keys: torch.Tensor, values: torch.Tensor) -> None:
    """
    Writes the keys and values of prompts into a cache that has nothing yet.

    Args:
        cache (`Cache`): of any kind. Layers of the kind that grows are not copied to: they become views.
        keys, values (`torch.Tensor` of shape `(N, B, G, L, D)`): of each layer.
    """
    grows = type(cache) is DynamicCache and not cache.offloading and len(cache.layers) == len(keys)
    for index, of_layer in enumerate(zip(keys.unbind(), values.unbind(), strict=True)):
        if grows and type(layer := cache.layers[index]) is DynamicLayer and not layer.is_initialized:
            layer.lazy_initialization(*of_layer)
            layer.keys, layer.values = of_layer
        else:
            cache.update(*of_layer, index)


def _add_and_normalize(hidden: torch.Tensor, update: torch.Tensor | None, norm: Any) -> torch.Tensor:
    return add_and_normalize(hidden, update, norm.weight, norm.variance_epsilon)
