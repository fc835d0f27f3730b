# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The decode step on CPU: the compiled one of `numba_decode_step.py`, and the buffer for its keys and values."""

from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import nn
from transformers import Cache, DynamicCache, PreTrainedModel
from transformers.cache_utils import DynamicLayer
from transformers.modeling_outputs import BaseModelOutputWithPast

from ..compat.cache_name import CACHE_NAME
from .numba_decode_step import TokenStep, as_array, decode_token


# Keys and values go to a larger buffer when theirs is full, and not for each token.
_MORE_TOKENS = 256


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
    num_cached = cache.get_seq_length()
    if position_ids is None:
        position_ids = torch.tensor([[num_cached]], device="cpu")
    cosine, sine = language_model.rotary_emb(inputs_embeds, position_ids)
    buffer = _buffer_of(cache)
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
    )
    hidden = torch.from_numpy(decode_token(step, inputs_embeds.dtype))
    buffer.show(num_cached + 1)
    last_hidden_state = language_model.norm(hidden.to(inputs_embeds.dtype).view_as(inputs_embeds))
    return BaseModelOutputWithPast(last_hidden_state, **{CACHE_NAME: cache})


class _CacheBuffer:
    """
    Memory for the keys and values of a cache, with a capacity for more behind them: `DynamicCache` copies all that it holds
    for each token. The cache's tensors become views of it; in older views nothing changes.
    """

    def __init__(self, layers: list[DynamicLayer]):
        self._layers = list(layers)
        length = layers[0].get_seq_length()
        self.capacity = length + _MORE_TOKENS
        self._keys, self._values = (
            like.new_empty(len(layers), *like.shape[:2], self.capacity, like.shape[-1])  # (N, 1, G, capacity, D)
            for like in (layers[0].keys, layers[0].values)
        )
        for index, layer in enumerate(layers):
            self._keys[index, :, :, :length] = layer.keys
            self._values[index, :, :, :length] = layer.values
        self.show(length)

    def addresses(self, layer: int) -> list[int]:
        """Of a layer's keys and values."""
        return [self._keys[layer].data_ptr(), self._values[layer].data_ptr()]

    def show(self, length: int) -> None:
        """Makes the cache as long as that."""
        self._shown = []
        for index, layer in enumerate(self._layers):
            layer.keys, layer.values = self._keys[index, :, :, :length], self._values[index, :, :, :length]
            self._shown.append((layer.keys, layer.values))

    def takes_one_more(self, layers: list[DynamicLayer]) -> bool:
        """Whether the layers of the cache still are what was last shown, and it is not full."""
        return layers[0].get_seq_length() < self.capacity and all(
            layer is own and layer.keys is keys and layer.values is values
            for layer, own, (keys, values) in zip(layers, self._layers, self._shown, strict=True)
        )


_BUFFERS: WeakKeyDictionary[Cache, _CacheBuffer] = WeakKeyDictionary()


def _buffer_of(cache: DynamicCache) -> _CacheBuffer:
    buffer = _BUFFERS.get(cache)
    if buffer is None or not buffer.takes_one_more(cache.layers):
        buffer = _BUFFERS[cache] = _CacheBuffer(cache.layers)
    return buffer
