# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
CUDA graphs of what leads to the first token.

It is made of some 2,800 short kernels. A GPU runs them faster than Python can ask for one after the other; recorded, they are
asked for at once.

Symbols in the shape comments: B prompts, L tokens, h width, N layers.
"""

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F
from transformers import Cache, CompileConfig, DynamicCache, PreTrainedConfig, PreTrainedModel, StaticCache
from transformers.modeling_outputs import BaseModelOutputWithPast, ModelOutput

from ..compat.cache_name import CACHE_NAME
from .graphs_function import GraphedFunction, GraphedStep, TensorFunction


# Prompts of other lengths are filled up to a multiple: few recordings serve all, and little is computed for nothing.
_TOKENS_STEP = 64


class CudaGraphs:
    """
    The recordings of a model.

    Args:
        language_model (`nn.Module`): without a head.
        encode_videos (`Callable`): both pixel streams of videos -> their features, a dictionary of tensors.
    """

    def __init__(self, language_model: nn.Module, encode_videos: TensorFunction):
        self._language_model = language_model
        self.encode_videos = GraphedFunction(encode_videos)
        self._read_prompts = GraphedFunction(self._read)

    def language_model(
        self,
        inputs_embeds: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.Tensor | None = None,
        **kwargs,
    ) -> BaseModelOutputWithPast:
        """As the language model: prompts without padding that begin a conversation are read by a recording."""
        config = self._language_model.config
        use_cache = config.use_cache if kwargs.get("use_cache") is None else kwargs["use_cache"]
        cache = kwargs.get(CACHE_NAME)
        if cache is None:
            cache = DynamicCache(config=config)
        others = {name: value for name, value in kwargs.items() if name not in (CACHE_NAME, "use_cache")}
        if (
            inputs_embeds.shape[1] < _TOKENS_STEP  # a generated token, or a few of a later turn
            or any(value is not None and value is not False for value in others.values())
            or wants_more_than_logits(config)
            or not _is_new(cache)
            or not _is_plain(attention_mask, position_ids)
        ):
            return self._language_model(
                inputs_embeds=inputs_embeds, attention_mask=attention_mask, position_ids=position_ids, **kwargs
            )
        # no token sees those that come after it: what is filled up behind the prompt changes nothing
        length = inputs_embeds.shape[1]
        read = self._read_prompts(F.pad(inputs_embeds, (0, 0, 0, -length % _TOKENS_STEP)))
        for layer, (keys, values) in enumerate(zip(read["keys"], read["values"], strict=True)):
            cache.update(keys[:, :, :length], values[:, :, :length], layer)
        last_hidden_state = read["last_hidden_state"][:, :length]
        return BaseModelOutputWithPast(last_hidden_state, **{CACHE_NAME: cache if use_cache else None})

    def _read(self, inputs_embeds: torch.Tensor) -> dict[str, torch.Tensor]:
        """(B, L, h) -> hidden states (B, L, h), keys and values (N, B, heads, L, head width)."""
        cache = DynamicCache(config=self._language_model.config)
        output = self._language_model(inputs_embeds=inputs_embeds, use_cache=True, **{CACHE_NAME: cache})
        keys = torch.stack([layer.keys for layer in cache.layers])
        values = torch.stack([layer.values for layer in cache.layers])
        return {"last_hidden_state": output.last_hidden_state, "keys": keys, "values": values}


class PreTrainedModelWithCudaGraphs(PreTrainedModel):
    """A model, with or without a head, whose base model has `language_model` and `_encode_videos`."""

    _cuda_graphs: CudaGraphs | None = None

    def cuda_graphs_enable(self):
        """
        Records what leads to the first token as CUDA graphs: the encoders, for each number of videos, and how the language
        model reads prompts without padding, for each number of prompts and length in steps of 64 tokens, when they first come.
        Later calls without gradients replay them, which saves most of the time that Python takes.

        With a cache of fixed size (`cache_implementation="static"`), the compiled steps after the first token are recorded too,
        anew for each answer.

        A recording reads the weights from where they are. `model.to(...)` ends it; after adapters have been added or
        switched, or a config has been changed, call this again. Each recording keeps the memory of all that it computes, of
        the 8 shapes used last.

        Raises:
            ValueError: if the model is not on one GPU.
        """
        places = sorted({str(parameter.device) for parameter in self.parameters()})
        if len(places) > 1 or not places[0].startswith("cuda"):
            raise ValueError(
                f"CUDA graphs need a model on one GPU, and this one is on {', '.join(places)}: `model.to('cuda')`."
            )
        body = self.base_model
        options = {"output_hidden_states": False, "output_attentions": False}
        body._cuda_graphs = CudaGraphs(body.language_model, functools.partial(body._encode_videos, **options))

    def cuda_graphs_disable(self):
        """Forgets the CUDA graphs."""
        self.base_model._cuda_graphs = None

    def get_compiled_call(self, compile_config: CompileConfig | None) -> Callable[..., ModelOutput]:
        """As [`~PreTrainedModel.get_compiled_call`]; the steps after the first token are recorded too."""
        is_recorded = self.base_model.usable_cuda_graphs() is not None and not wants_more_than_logits(self.config)
        if compile_config is not None or not is_recorded:
            return super().get_compiled_call(compile_config)
        return GraphedStep(super().get_compiled_call(CompileConfig(mode="default")))

    def usable_cuda_graphs(self) -> CudaGraphs | None:
        """Of a base model: those that may be replayed now."""
        if torch.compiler.is_compiling() or torch.is_grad_enabled() or self.training:
            return None
        # under autocast, weights are read from copies that are gone afterwards
        return None if torch.is_autocast_enabled("cuda") else self._cuda_graphs

    def __getstate__(self):
        return {**super().__getstate__(), "_cuda_graphs": None}  # copies have weights of their own

    def _apply(self, *args, **kwargs):
        self._cuda_graphs = None  # the weights go somewhere else
        return super()._apply(*args, **kwargs)


def wants_more_than_logits(config: PreTrainedConfig) -> bool:
    """Whether a config, or that of its language model, asks for hidden states or attentions."""
    configs = (config, config.get_text_config())
    return any(one.output_hidden_states or one.output_attentions for one in configs)


def _is_new(cache: Cache) -> bool:
    """Whether nothing has been written into it, and it keeps all that is."""
    is_known = type(cache) in (DynamicCache, StaticCache) and not any(cache.is_sliding)
    return is_known and not any(layer.is_initialized for layer in cache.layers)


def _is_plain(attention_mask: Any, position_ids: torch.Tensor | None) -> bool:
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
