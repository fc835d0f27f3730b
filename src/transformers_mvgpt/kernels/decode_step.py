# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""When a token goes through the compiled step of `numba_decode_step.py`, and where its keys and values go."""

from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import nn
from transformers import Cache, DynamicCache, PreTrainedConfig, PreTrainedModel
from transformers.cache_utils import DynamicLayer
from transformers.modeling_outputs import BaseModelOutputWithPast
from transformers.models.qwen2.modeling_qwen2 import (
    Qwen2DecoderLayer,
    Qwen2RMSNorm,
)

from ..compat.cache_name import CACHE_NAME
from .gates import is_plain, is_plain_layer, is_plain_model, may_be_compiled
from .numba_decode_step import LAYER_WEIGHTS, TokenStep, as_array, decode_token


# Keys and values go to a larger place when theirs is full, and not for each token.
_TOKENS_OF_ROOM = 256
_WEIGHT_PATHS = [tuple(name.split(".")) for name in LAYER_WEIGHTS]


def decode_on_cpu(
    language_model: PreTrainedModel,
    inputs_embeds: torch.Tensor,
    attention_mask: torch.Tensor | None = None,
    position_ids: torch.Tensor | None = None,
    **kwargs: Any,
) -> BaseModelOutputWithPast | None:
    """
    What a language model returns for a token that comes after others, on CPU and without gradients.

    Args:
        language_model (`PreTrainedModel`): without a head.
        inputs_embeds (`torch.Tensor` of shape `(1, 1, hidden_size)`): float32 or bfloat16.
        attention_mask, position_ids, kwargs: as the language model takes them.

    Returns:
        `BaseModelOutputWithPast`, or `None` where the compiled step would not do the same: without numba; for other shapes,
        dtypes, caches or masks; where modules have been changed, quantised or hooked, or more than the last hidden state is
        asked for.
    """
    cache = kwargs.pop(CACHE_NAME, None)
    use_cache = kwargs.pop("use_cache", None)
    if not (
        may_be_compiled(inputs_embeds, **kwargs)
        and inputs_embeds.shape[:2] == (1, 1)
        and use_cache is not False
        and is_plain_model(language_model)
        and _holds_one_sequence(cache, language_model.config, inputs_embeds.dtype)
        and _sees_everything(attention_mask)
    ):
        return None
    config = language_model.config
    shapes = _weight_shapes(config)
    weights = []
    for layer in language_model.layers:
        addresses = _weight_addresses(layer, inputs_embeds.dtype, shapes)
        if addresses is None:
            return None
        weights.append(addresses)
    assert cache is not None  # it holds a sequence
    num_cached = cache.get_seq_length()
    if position_ids is None:
        position_ids = torch.tensor([[num_cached]], device="cpu")
    cosine, sine = language_model.rotary_emb(inputs_embeds, position_ids)
    room = _find_room(cache)
    step = TokenStep(
        addresses=np.array([of_layer + room.addresses(index) for index, of_layer in enumerate(weights)], np.int64),
        hidden=as_array(inputs_embeds),
        cosine=as_array(cosine),
        sine=as_array(sine),
        num_heads=config.num_attention_heads,
        num_key_heads=config.num_key_value_heads,
        inner_width=config.intermediate_size,
        num_cached=num_cached,
        capacity=room.capacity,
        scaling=language_model.layers[0].self_attn.scaling,
        epsilon=config.rms_norm_eps,
    )
    hidden = torch.from_numpy(decode_token(step, inputs_embeds.dtype))
    room.show(num_cached + 1)
    last_hidden_state = language_model.norm(hidden.to(inputs_embeds.dtype).view_as(inputs_embeds))
    return BaseModelOutputWithPast(last_hidden_state, **{CACHE_NAME: cache})


class _CacheRoom:
    """
    A place for the keys and values of a cache, where more can be written behind them: `DynamicCache` copies all that it
    holds for each token. The cache's tensors become views of it; in older views nothing changes.
    """

    def __init__(self, layers: list[DynamicLayer]):
        self._layers = list(layers)
        length = layers[0].get_seq_length()
        self.capacity = length + _TOKENS_OF_ROOM
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


_ROOMS: WeakKeyDictionary[Cache, _CacheRoom] = WeakKeyDictionary()


def _find_room(cache: DynamicCache) -> _CacheRoom:
    room = _ROOMS.get(cache)
    if room is None or not room.takes_one_more(cache.layers):
        room = _ROOMS[cache] = _CacheRoom(cache.layers)
    return room


def _weight_shapes(config: PreTrainedConfig) -> list[tuple[int, ...]]:
    """In the order of `LAYER_WEIGHTS`."""
    width, inner_width = config.hidden_size, config.intermediate_size
    head_width = getattr(config, "head_dim", None) or width // config.num_attention_heads
    queries, keys = config.num_attention_heads * head_width, config.num_key_value_heads * head_width
    projections = [shape for rows in (queries, keys, keys) for shape in ((rows, width), (rows,))]
    mlp = [(inner_width, width), (inner_width, width), (width, inner_width)]
    return [(width,), *projections, (width, queries), (width,), *mlp]


def _weight_addresses(layer: Qwen2DecoderLayer, dtype: torch.dtype, shapes: list[tuple[int, ...]]) -> list[int] | None:
    """In the order of `LAYER_WEIGHTS`; `None` if the layer is not one that the compiled step knows."""
    if not is_plain_layer(layer):
        return None
    attention, mlp = layer.self_attn, layer.mlp
    addresses = []
    for (*parents, name, kind), shape in zip(_WEIGHT_PATHS, shapes, strict=True):
        # not by attributes, which take as long as all the rest
        module = (layer._modules[parents[0]] if parents else layer)._modules[name]
        if not is_plain(module, nn.Linear if parents else Qwen2RMSNorm):
            return None
        weight = module._parameters[kind]
        if weight is None:  # a bias
            addresses.append(0)
            continue
        if not (
            type(weight) is nn.Parameter  # not a quantised or a distributed one
            and weight.shape == shape
            and weight.dtype == dtype
            and weight.device.type == "cpu"
            and weight.is_contiguous()
        ):
            return None
        addresses.append(weight.data_ptr())
    without_bias = (attention._modules["o_proj"], *(mlp._modules[f"{name}_proj"] for name in ("gate", "up", "down")))
    return addresses if all(projection._parameters["bias"] is None for projection in without_bias) else None


def _holds_one_sequence(cache: Cache | None, config: PreTrainedConfig, dtype: torch.dtype) -> bool:
    """Whether a cache is one that grows, and has something of one sequence in each layer."""
    if type(cache) is not DynamicCache or len(cache.layers) != config.num_hidden_layers:
        return False
    shape = (1, config.num_key_value_heads, cache.get_seq_length())
    return (
        shape[2] > 0
        and not cache.offloading
        and all(
            type(layer) is DynamicLayer
            and layer.is_initialized
            and layer.keys.shape[:3] == layer.values.shape[:3] == shape
            and layer.keys.dtype == layer.values.dtype == dtype
            and layer.keys.device.type == layer.values.device.type == "cpu"
            for layer in cache.layers
        )
    )


def _sees_everything(attention_mask: Any) -> bool:
    """Whether a mask hides nothing of what is in the cache."""
    if attention_mask is None:
        return True
    return isinstance(attention_mask, torch.Tensor) and attention_mask.ndim == 2 and bool((attention_mask == 1).all())
