# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
CUDA graphs of what leads to the first token.

It is made of some 2,800 short kernels. A GPU runs them faster than Python can ask for one after the other; recorded, they are
asked for at once.

Symbols in the shape comments: B prompts, L tokens, h width, N layers.
"""

import functools
import weakref
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import nn
from torch.nn import functional as F
from transformers import DynamicCache, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutputWithPast

from ..compat.cache_name import CACHE_NAME
from .gates_graphs import GRAPH_TOKENS
from .graphs_function import GraphedFunction


class CudaGraphs:
    """
    The recordings of a model, which it does not keep alive.

    Args:
        model (`PreTrainedModel`): a base model with a `language_model`, and perhaps with `_encode_videos`, which turns the pixel
            streams of videos into their features, a dictionary of tensors.
    """

    def __init__(self, model: PreTrainedModel):
        self._model = weakref.ref(model)
        # not methods, which would keep this object and its memory on the GPU until Python looks for cycles
        self.encode_videos = GraphedFunction(functools.partial(_encode_videos, self._model))
        self._prefill = GraphedFunction(functools.partial(_prefill, self._model))

    def prefill(
        self, inputs_embeds: torch.Tensor, use_cache: bool | None = None, **kwargs: Any
    ) -> BaseModelOutputWithPast:
        """As the language model, for a call that [`may_replay_prefill`] allows."""
        config = _alive(self._model).language_model.config
        use_cache = config.use_cache if use_cache is None else use_cache
        cache = kwargs.get(CACHE_NAME)
        if cache is None:
            cache = DynamicCache(config=config)
        # no token sees those that come after it: what is filled up behind the prompt changes nothing
        length = inputs_embeds.shape[1]
        computed = self._prefill(F.pad(inputs_embeds, (0, 0, 0, -length % GRAPH_TOKENS)))
        for layer, (keys, values) in enumerate(zip(computed["keys"], computed["values"], strict=True)):
            cache.update(keys[:, :, :length], values[:, :, :length], layer)
        last_hidden_state = computed["last_hidden_state"][:, :length]
        return BaseModelOutputWithPast(last_hidden_state, **{CACHE_NAME: cache if use_cache else None})


def _alive(reference: "weakref.ref[PreTrainedModel]") -> PreTrainedModel:
    model = reference()
    assert model is not None  # whoever calls has it
    return model


def _encode_videos(reference: "weakref.ref[PreTrainedModel]", *streams: torch.Tensor) -> dict[str, torch.Tensor]:
    return _alive(reference)._encode_videos(*streams, output_hidden_states=False, output_attentions=False)


def _prefill(reference: "weakref.ref[PreTrainedModel]", inputs_embeds: torch.Tensor) -> dict[str, torch.Tensor]:
    """(B, L, h) -> hidden states (B, L, h), keys and values (N, B, heads, L, head width)."""
    language_model = _alive(reference).language_model
    cache = DynamicCache(config=language_model.config)
    output = language_model(inputs_embeds=inputs_embeds, use_cache=True, **{CACHE_NAME: cache})
    keys = torch.stack([layer.keys for layer in cache.layers])
    values = torch.stack([layer.values for layer in cache.layers])
    return {"last_hidden_state": output.last_hidden_state, "keys": keys, "values": values}


# By base model, so that copies and pickles of a model have none.
recordings: WeakKeyDictionary[nn.Module, CudaGraphs] = WeakKeyDictionary()
