# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The decode step on CPU: the compiled one of `numba_decode_step.py`."""

from typing import Any

import numpy as np
import torch
from torch import nn
from transformers import PreTrainedModel
from transformers.modeling_outputs import BaseModelOutputWithPast

from ..compat.cache_name import CACHE_NAME
from .decode_buffer import buffer_of
from .numba_decode_step import TokenStep, as_array, decode_token
from .numba_packed_weights import bits_of


def decode_step(
    language_model: PreTrainedModel,
    weights: list[list[nn.Parameter | None]],
    inputs_embeds: torch.Tensor,
    attention_mask: torch.Tensor | None = None,
    position_ids: torch.Tensor | None = None,
    **kwargs: Any,
) -> BaseModelOutputWithPast:
    """
    What a language model returns for a token that comes after others.

    Args:
        language_model (`PreTrainedModel`): without a head.
        weights (`list[list[nn.Parameter | None]]`): what [`weights_for_decode_step`] returned for this call.
        inputs_embeds (`torch.Tensor` of shape `(1, 1, h)`): float32 or bfloat16.
        attention_mask, position_ids, kwargs: as the language model takes them.
    """
    config, cache = language_model.config, kwargs[CACHE_NAME]
    first_weight = language_model.layers[0].self_attn.q_proj.weight
    num_cached = cache.get_seq_length()
    if position_ids is None:
        position_ids = torch.tensor([[num_cached]], device="cpu")
    cosine, sine = language_model.rotary_emb(inputs_embeds, position_ids)
    buffer = buffer_of(cache)
    addresses = [
        [0 if weight is None else weight.data_ptr() for weight in of_layer] + buffer.addresses(index)
        for index, of_layer in enumerate(weights)
    ]
    step = TokenStep(
        addresses=np.array(addresses, np.int64),
        hidden=as_array(inputs_embeds),
        cosine=as_array(cosine),
        sine=as_array(sine),
        num_heads=config.num_attention_heads,
        num_key_heads=config.num_key_value_heads,
        inner_width=config.intermediate_size,
        num_cached=num_cached,
        capacity=buffer.capacity,
        scaling=language_model.layers[0].self_attn.scaling,
        epsilon=config.rms_norm_eps,
        bits=bits_of(first_weight) if first_weight.dtype == torch.uint8 else 0,
    )
    hidden = torch.from_numpy(decode_token(step, inputs_embeds.dtype))
    buffer.show(num_cached + 1)
    last_hidden_state = language_model.norm(hidden.to(inputs_embeds.dtype).view_as(inputs_embeds))
    return BaseModelOutputWithPast(last_hidden_state, **{CACHE_NAME: cache})
