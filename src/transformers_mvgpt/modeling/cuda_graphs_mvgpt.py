# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
CUDA graphs of what leads to the first token.

It is made of some 2,600 short kernels. A GPU runs them faster than Python can ask for one after the other; recorded, they are
asked for at once.

Symbols in the shape comments: B prompts, L tokens, h width, N layers.
"""

import functools
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils._pytree import tree_flatten, tree_unflatten
from transformers import Cache, CompileConfig, DynamicCache, PreTrainedModel, StaticCache
from transformers.modeling_outputs import BaseModelOutputWithPast, CausalLMOutputWithPast, ModelOutput

from .cache_name_mvgpt import CACHE_NAME


# Prompts of other lengths are filled up to a multiple: few recordings serve all, and little is computed for nothing.
_TOKENS_STEP = 64
# Of other shapes, the one that was used longest ago makes room.
_MOST_RECORDINGS = 8

# They change nothing in what the language model computes.
_KNOWN_OPTIONS = ("use_cache", "return_dict", "vision_feature_layer")

TensorFunction = Callable[..., dict[str, torch.Tensor]]


class GraphedFunction:
    """
    A function of CUDA tensors that is recorded for each shape of its arguments, and from then on replayed. It must not look at
    what is in the tensors, and what it reads beside them stays where it was.

    Args:
        function (`Callable`): takes tensors, returns a dictionary of tensors.
    """

    def __init__(self, function: TensorFunction):
        self._function = function
        self._recordings: OrderedDict[Any, tuple[torch.cuda.CUDAGraph, tuple, dict[str, torch.Tensor]]] = OrderedDict()

    def __call__(self, *tensors: torch.Tensor) -> dict[str, torch.Tensor]:
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
        with torch.cuda.device(tensors[0].device):
            # what happens at the first call only, such as the compilation of kernels, cannot be recorded
            stream = torch.cuda.Stream()
            stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(stream):
                self._function(*inputs)
            torch.cuda.current_stream().wait_stream(stream)
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                outputs = self._function(*inputs)
        self._recordings[self._key(tensors)] = graph, inputs, outputs
        if len(self._recordings) > _MOST_RECORDINGS:
            self._recordings.popitem(last=False)

    @staticmethod
    def _key(tensors: tuple[torch.Tensor, ...]) -> Any:
        return tuple((tensor.shape, tensor.dtype, tensor.device) for tensor in tensors)


class GraphedStep:
    """
    What makes one token for each prompt of an answer, recorded at the first one.

    Args:
        step (`Callable`): the compiled model.
    """

    def __init__(self, step: Callable[..., ModelOutput]):
        self._step = step
        self._graph: GraphedFunction | None = None

    def __call__(self, **inputs: Any) -> CausalLMOutputWithPast:
        cache = inputs.pop(CACHE_NAME)
        leaves, structure = tree_flatten(inputs)
        places = [place for place, leaf in enumerate(leaves) if isinstance(leaf, torch.Tensor)]
        tensors = [leaves[place] for place in places]
        if self._graph is None:

            def step(*tensors: torch.Tensor) -> dict[str, torch.Tensor]:
                for place, tensor in zip(places, tensors, strict=True):
                    leaves[place] = tensor
                output = self._step(**tree_unflatten(leaves, structure), **{CACHE_NAME: cache})
                return {"logits": output.logits}

            self._graph = GraphedFunction(step)
            lengths = [layer.cumulative_length for layer in cache.layers]
            before = torch.stack(lengths)
            self._graph.record(*tensors)
            for length, value in zip(lengths, before, strict=True):
                length.copy_(value)  # recording has written the token, which is written again
        return CausalLMOutputWithPast(**self._graph(*tensors), **{CACHE_NAME: cache})


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
        cache, use_cache = kwargs.get(CACHE_NAME), kwargs.get("use_cache")
        others = {name: value for name, value in kwargs.items() if name not in (CACHE_NAME, *_KNOWN_OPTIONS)}
        if (
            inputs_embeds.shape[1] < _TOKENS_STEP  # a generated token, or a few of a later turn
            or any(value is not None and value is not False for value in others.values())
            or not _is_new(cache)
            or not _is_plain(attention_mask, position_ids)
        ):
            return self._language_model(
                inputs_embeds=inputs_embeds, attention_mask=attention_mask, position_ids=position_ids, **kwargs
            )
        if cache is None and use_cache is not False:
            cache = DynamicCache(config=self._language_model.config)
        # no token sees those that come after it: what is filled up behind the prompt changes nothing
        length = inputs_embeds.shape[1]
        read = self._read_prompts(F.pad(inputs_embeds, (0, 0, 0, -length % _TOKENS_STEP)))
        if cache is not None:
            for layer, (keys, values) in enumerate(zip(read["keys"], read["values"], strict=True)):
                cache.update(keys[:, :, :length], values[:, :, :length], layer)
        return BaseModelOutputWithPast(last_hidden_state=read["last_hidden_state"][:, :length], **{CACHE_NAME: cache})

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

        A recording reads the weights from where they are. `model.to(...)` ends it; after adapters have been added or
        switched, or a config has been changed, call this again.

        Raises:
            ValueError: if the model is not on a GPU.
        """
        if self.device.type != "cuda":
            raise ValueError(
                f"CUDA graphs need a model on a GPU, and this one is on {self.device}: `model.to('cuda')`."
            )
        body = self.base_model
        options = {"output_hidden_states": False, "output_attentions": False}
        body._cuda_graphs = CudaGraphs(body.language_model, functools.partial(body._encode_videos, **options))

    def cuda_graphs_disable(self):
        """Forgets the CUDA graphs."""
        self.base_model._cuda_graphs = None

    def get_compiled_call(self, compile_config: CompileConfig | None) -> Callable[..., ModelOutput]:
        """As [`~PreTrainedModel.get_compiled_call`]; the steps after the first token are recorded too."""
        if compile_config is not None or self.base_model.usable_cuda_graphs() is None:
            return super().get_compiled_call(compile_config)
        return GraphedStep(super().get_compiled_call(CompileConfig(mode="default")))

    def usable_cuda_graphs(self) -> CudaGraphs | None:
        """Of a base model: those that may be replayed now."""
        if torch.is_grad_enabled() or self.training or torch.compiler.is_compiling():
            return None
        return self._cuda_graphs

    def _apply(self, *args, **kwargs):
        self._cuda_graphs = None  # the weights go somewhere else
        return super()._apply(*args, **kwargs)


def _is_new(cache: Cache | None) -> bool:
    """Whether nothing has been written into it, and it keeps all that is."""
    if cache is None:
        return True
    is_known = type(cache) in (DynamicCache, StaticCache) and not any(cache.is_sliding)
    return is_known and not any(layer.is_initialized for layer in cache.layers)


def _is_plain(
    attention_mask: torch.Tensor | dict[str, torch.Tensor] | None, position_ids: torch.Tensor | None
) -> bool:
    """Whether prompts are whole, and their tokens are counted from 0 and see those before them."""
    if isinstance(attention_mask, dict):  # of each kind of layer, as `generate` makes them for a cache of fixed size
        if attention_mask.keys() != {"full_attention"}:
            return False
        attention_mask = attention_mask["full_attention"]
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
