# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Compiled decode steps with a cache of fixed size, as CUDA graphs."""

from collections.abc import Callable
from typing import Any

import torch
from torch.utils._pytree import tree_flatten, tree_unflatten
from transformers import StaticCache
from transformers.modeling_outputs import CausalLMOutputWithPast, ModelOutput

from ..compat.cache_name import CACHE_NAME
from .gates_graphs import makes_one_token
from .graphs_recording import Recording


class GraphedStep:
    """
    What makes one token for each prompt of an answer with a cache of fixed size, recorded at the first one. Calls of any other
    kind, such as those that check guessed tokens, are not recorded.

    Args:
        step (`Callable`): the compiled model.
    """

    def __init__(self, step: Callable[..., ModelOutput]):
        self._step = step
        self._recording: Recording | None = None
        self._recorded: Any = None

    def __call__(self, **inputs: Any) -> ModelOutput:
        cache = inputs[CACHE_NAME]
        leaves, structure = tree_flatten({name: value for name, value in inputs.items() if name != CACHE_NAME})
        places = [place for place, leaf in enumerate(leaves) if isinstance(leaf, torch.Tensor)]
        kind = (structure, [getattr(leaf, "shape", leaf) for leaf in leaves], id(cache))
        if self._recording is None and makes_one_token(inputs):
            self._record(leaves, structure, places, cache)
            self._recorded = kind
        if self._recording is None or self._recorded != kind:
            return self._step(**inputs)
        logits = self._recording.run(tuple(leaves[place] for place in places), torch.Tensor.clone)
        return CausalLMOutputWithPast(logits=logits, **{CACHE_NAME: cache})

    def _record(self, leaves: list[Any], structure: Any, places: list[int], cache: StaticCache) -> None:
        # a reference to this object would keep both, and the cache, until Python looks for cycles
        compiled = self._step

        def step(*tensors: torch.Tensor) -> torch.Tensor:
            now = list(leaves)
            for place, tensor in zip(places, tensors, strict=True):
                now[place] = tensor
            return compiled(**tree_unflatten(now, structure), **{CACHE_NAME: cache}).logits

        lengths = [layer.cumulative_length for layer in cache.layers]
        before = torch.stack(lengths)
        self._recording = Recording(step, *(leaves[place].clone() for place in places))
        for length, value in zip(lengths, before, strict=True):
            length.copy_(value)  # recording has written the token, which is written again
