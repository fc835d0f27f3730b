# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
CUDA graphs of what leads to the first token.

It is made of hundreds of short kernels. A GPU runs them faster than Python can ask for one after the other; recorded, they are
asked for at once.

Symbols in the shape comments: B prompts, L tokens, h width, N layers.
"""

import functools
import weakref
from collections.abc import Callable, Iterator
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import nn
from torch.nn import functional as F
from transformers import DynamicCache, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutputWithPast

from ..compat.cache_name import CACHE_NAME
from .gates_graphs import GRAPH_TOKENS, count_from_zero, records_by_itself
from .gates_language_model import begins_unpadded, may_prefill
from .graphs_function import GraphedFunction, GraphMemory
from .late_answer import LateAnswer
from .triton_prefill import compute_prompts, fill_cache


# Bytes that the recordings of a model hold at most.
MEMORY_BUDGET = 10**9
# Without being asked to, what comes for this time is recorded.
_CALLS_NEEDED = 3

LanguageModel = Callable[..., BaseModelOutputWithPast]


class CudaGraphs:
    """
    The recordings of a model, which it does not keep alive.

    Args:
        model (`PreTrainedModel`): a base model with a `language_model`, and perhaps with `_encode_videos`, which turns the pixel
            streams of videos into their features, a dictionary of tensors.
        run_language_model (`Callable`): takes the base model and inputs of its language model, and runs this as fast as it can
            without recordings.
        at_once (`bool`, defaults to `False`): record what comes for the first time.
        memory_budget (`int`, *optional*): bytes that all recordings hold at most.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        run_language_model: LanguageModel,
        at_once: bool = False,
        memory_budget: int | None = None,
    ):
        self.at_once = at_once
        self.memory = GraphMemory(MEMORY_BUDGET if memory_budget is None else memory_budget)
        self._model = weakref.ref(model)
        # not methods, which would keep this object and its memory on the GPU until Python looks for cycles
        self.encode_videos, self._prefill, self._prefill_for_last = (
            GraphedFunction(
                functools.partial(function, self._model),
                functools.partial(read_modules, self._model),
                1 if at_once else _CALLS_NEEDED,
                self.memory,
            )
            for function, read_modules in (
                (_encode_videos, _encoder_modules),
                (functools.partial(_prefill, run_language_model), _language_modules),
                (functools.partial(_prefill, run_language_model), _language_modules),
            )
        )

    def forget(self) -> None:
        """Drops all recordings, and what was counted for them."""
        self.encode_videos.forget()
        self._prefill.forget()
        self._prefill_for_last.forget()

    def prefill(
        self,
        inputs_embeds: torch.Tensor,
        check: Callable[[], None],
        position_ids: torch.Tensor | None = None,
        use_cache: bool | None = None,
        last_token_only: bool = False,
        **kwargs: Any,
    ) -> BaseModelOutputWithPast | None:
        """
        As the language model, for a call that [`may_replay_prefill`] allows; nothing if there is no recording that can tell.

        Args:
            check (`Callable`): is called before anything is written into the cache, and may raise.
            last_token_only (`bool`, defaults to `False`): return the last token's hidden state alone, (B, 1, h).
        """
        config = _alive(self._model).language_model.config
        use_cache = config.use_cache if use_cache is None else use_cache
        is_counted = None if position_ids is None else LateAnswer(count_from_zero(position_ids))
        # no token sees those that come after it: what is filled up behind the prompt changes nothing
        length = inputs_embeds.shape[1]
        filled_up = F.pad(inputs_embeds, (0, 0, 0, -length % GRAPH_TOKENS))
        if last_token_only:
            last = torch.full((1,), length - 1, device=inputs_embeds.device)
            computed = self._prefill_for_last(filled_up, last)
        else:
            computed = self._prefill(filled_up)
        if computed is None or (is_counted is not None and not is_counted.read()):
            return None
        check()
        cache = kwargs.get(CACHE_NAME)
        if use_cache and cache is None:
            cache = DynamicCache(config=config)
        if cache is not None:
            fill_cache(cache, computed["keys"][..., :length, :], computed["values"][..., :length, :])
        last_hidden_state = computed["last_hidden_state"][:, :length]
        return BaseModelOutputWithPast(last_hidden_state, **{CACHE_NAME: cache if use_cache else None})


def _alive(reference: "weakref.ref[PreTrainedModel]") -> PreTrainedModel:
    model = reference()
    assert model is not None  # whoever calls has it
    return model


def _language_modules(reference: "weakref.ref[PreTrainedModel]") -> Iterator[nn.Module]:
    model = _alive(reference)
    yield model
    yield from model.language_model.modules()


def _encoder_modules(reference: "weakref.ref[PreTrainedModel]") -> Iterator[nn.Module]:
    model = _alive(reference)
    of_language_model = set(model.language_model.modules())
    return (module for module in model.modules() if module not in of_language_model)


def _encode_videos(reference: "weakref.ref[PreTrainedModel]", *streams: torch.Tensor) -> dict[str, torch.Tensor]:
    return _alive(reference)._encode_videos(*streams, output_hidden_states=False, output_attentions=False)


def _prefill(
    run_language_model: LanguageModel,
    reference: "weakref.ref[PreTrainedModel]",
    inputs_embeds: torch.Tensor,
    last: torch.Tensor | None = None,
) -> dict[str, Any]:
    """
    (B, L, h) -> hidden states (B, L, h), or (B, 1, h) of the token whose place (1,) is given; keys and values of N layers
    (B, heads, L, head width).
    """
    model = _alive(reference)
    language_model = model.language_model
    if last is not None and may_prefill(language_model, inputs_embeds) and begins_unpadded(language_model, None, None):
        positions = torch.arange(inputs_embeds.shape[1], device=inputs_embeds.device)[None]
        angles = language_model.rotary_emb(inputs_embeds, positions)
        computed = compute_prompts(language_model, inputs_embeds, angles, lambda hidden: hidden.index_select(1, last))
        return computed._asdict()
    cache = DynamicCache(config=language_model.config)
    output = run_language_model(model, inputs_embeds=inputs_embeds, use_cache=True, **{CACHE_NAME: cache})
    hidden_states = output.last_hidden_state
    return {
        "last_hidden_state": hidden_states if last is None else hidden_states.index_select(1, last),
        "keys": [layer.keys for layer in cache.layers],
        "values": [layer.values for layer in cache.layers],
    }


# By base model, so that copies and pickles of a model have none; `None` where nobody wants them.
recordings: WeakKeyDictionary[nn.Module, CudaGraphs | None] = WeakKeyDictionary()


def graphs_of(model: PreTrainedModel, run_language_model: LanguageModel) -> CudaGraphs | None:
    """The recordings of a base model, if it has or may have some."""
    graphs = recordings.get(model)
    if graphs is None and model not in recordings and records_by_itself(model.device):
        graphs = recordings[model] = CudaGraphs(model, run_language_model)
    return graphs


def are_graphs_disabled(model: nn.Module) -> bool:
    """Whether nobody wants recordings of a base model."""
    return recordings.get(model, model) is None
