# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Functions whose CUDA kernels are recorded and replayed."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import torch
from torch.utils._pytree import tree_flatten, tree_unflatten
from transformers import StaticCache
from transformers.modeling_outputs import CausalLMOutputWithPast, ModelOutput

from ..compat.cache_name import CACHE_NAME
from .gates_graphs import makes_one_token


# Of other shapes, the one that was used longest ago is dropped.
_MOST_RECORDINGS = 8

TensorFunction = Callable[..., dict[str, torch.Tensor]]


class GraphedFunction:
    """
    A function of CUDA tensors that is recorded for each shape of its arguments, in inference mode and outside of it, and from
    then on replayed. It must not look at what is in the tensors, and what it reads beside them stays where it was. Each
    recording keeps the memory of all that the function computes in between. One thread at a time replays; while it records, no
    other may use the GPU.

    Args:
        function (`Callable`): takes tensors, returns a dictionary of tensors.
    """

    def __init__(self, function: TensorFunction):
        self._function = function
        self._recordings: OrderedDict[Any, tuple[torch.cuda.CUDAGraph, tuple, dict[str, torch.Tensor]]] = OrderedDict()
        self._lock = threading.RLock()

    def __call__(self, *tensors: torch.Tensor) -> dict[str, torch.Tensor]:
        with self._lock:
            key = self._key(tensors)
            if key not in self._recordings:
                self.record(*tensors)
            self._recordings.move_to_end(key)
            graph, inputs, outputs = self._recordings[key]
            for given, place in zip(tensors, inputs, strict=True):
                place.copy_(given)
            graph.replay()
            return {name: tensor.clone() for name, tensor in outputs.items()}

    def record(self, *tensors: torch.Tensor) -> None:
        """Calls the function once, and records it without doing anything."""
        inputs = tuple(tensor.clone() for tensor in tensors)
        with self._lock, torch.cuda.device(tensors[0].device):
            # what happens at the first call only, such as the compilation of kernels, cannot be recorded
            stream = torch.cuda.Stream()
            stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(stream):
                self._function(*inputs)
            torch.cuda.current_stream().wait_stream(stream)
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph, stream=stream):
                outputs = self._function(*inputs)
        self._recordings[self._key(tensors)] = graph, inputs, outputs
        if len(self._recordings) > _MOST_RECORDINGS:
            self._recordings.popitem(last=False)

    @staticmethod
    def _key(tensors: tuple[torch.Tensor, ...]) -> Any:
        # tensors of inference mode cannot be written to outside of it
        return torch.is_inference_mode_enabled(), *((tensor.shape, tensor.dtype, tensor.device) for tensor in tensors)


class GraphedStep:
    """
    What makes one token for each prompt of an answer with a cache of fixed size, recorded at the first one. Calls of any other
    kind, such as those that check guessed tokens, are not recorded.

    Args:
        step (`Callable`): the compiled model.
    """

    def __init__(self, step: Callable[..., ModelOutput]):
        self._step = step
        self._graph: GraphedFunction | None = None
        self._recorded: Any = None

    def __call__(self, **inputs: Any) -> ModelOutput:
        cache = inputs[CACHE_NAME]
        leaves, structure = tree_flatten({name: value for name, value in inputs.items() if name != CACHE_NAME})
        places = [place for place, leaf in enumerate(leaves) if isinstance(leaf, torch.Tensor)]
        kind = (structure, [getattr(leaf, "shape", leaf) for leaf in leaves], id(cache))
        if self._graph is None and makes_one_token(inputs):
            self._record(leaves, structure, places, cache)
            self._recorded = kind
        if self._graph is None or self._recorded != kind:
            return self._step(**inputs)
        return CausalLMOutputWithPast(**self._graph(*(leaves[place] for place in places)), **{CACHE_NAME: cache})

    def _record(self, leaves: list[Any], structure: Any, places: list[int], cache: StaticCache) -> None:
        # a reference to this object would keep both, and the cache, until Python looks for cycles
        compiled = self._step

        def step(*tensors: torch.Tensor) -> dict[str, torch.Tensor]:
            now = list(leaves)
            for place, tensor in zip(places, tensors, strict=True):
                now[place] = tensor
            return {"logits": compiled(**tree_unflatten(now, structure), **{CACHE_NAME: cache}).logits}

        graph = GraphedFunction(step)
        lengths = [layer.cumulative_length for layer in cache.layers]
        before = torch.stack(lengths)
        graph.record(*(leaves[place] for place in places))
        for length, value in zip(lengths, before, strict=True):
            length.copy_(value)  # recording has written the token, which is written again
        self._graph = graph
