# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""When the decode step on a GPU may stand in for that of a language model of transformers."""

from operator import attrgetter, is_
from typing import Any

import torch
from torch import nn
from transformers import Cache, DynamicCache, PreTrainedModel

from .gates import WITHOUT_MEANING, is_plain, is_transformed, may_decode_with_triton
from .gates_language_model import (
    Parts,
    attention_numbers,
    epsilons,
    is_plain_model,
    is_plain_weight,
    norms_of,
    parts_of,
    weights_of_layers,
)


# More keep a GPU busy without it.
_MOST_SEQUENCES = 64
# Whose frequencies do not depend on how many positions there are.
_ROTATIONS = ("default", "linear", "llama3", "yarn")
_HEAD_WIDTHS = (32, 64, 128)


def may_decode_on_gpu(
    inputs_embeds: torch.Tensor,
    attention_mask: Any,
    position_ids: torch.Tensor | None,
    cache: Cache | None,
    use_cache: bool | None = None,
    **kwargs: Any,
) -> bool:
    """
    Whether a call is one that the decode step on a GPU knows, if the language model is: for one token after others of each of
    some sequences, without gradients or other transforms, where nothing but the last hidden state is asked for.
    """
    device = inputs_embeds.device
    return (
        not torch.compiler.is_compiling()
        and may_decode_with_triton(device)
        and type(inputs_embeds) is torch.Tensor
        and inputs_embeds.ndim == 3
        and inputs_embeds.shape[1] == 1
        and inputs_embeds.shape[0] <= _MOST_SEQUENCES
        and inputs_embeds.dtype in (torch.float32, torch.float16, torch.bfloat16)
        and type(cache) is DynamicCache
        and use_cache is not False
        and not is_transformed(device)
        and (device.type == "cpu" or not torch.cuda.is_current_stream_capturing())
        and (attention_mask is None or _is_of_sequences(attention_mask, inputs_embeds))
        and (position_ids is None or _is_of_tokens(position_ids, inputs_embeds))
        and all(value is None or value is False or name in WITHOUT_MEANING for name, value in kwargs.items())
        and kwargs.get("is_causal") is not False
    )


def _is_of_sequences(attention_mask: Any, inputs_embeds: torch.Tensor) -> bool:
    """Whether it says of each token of each sequence whether it may be seen."""
    return (
        type(attention_mask) is torch.Tensor
        and attention_mask.ndim == 2
        and not attention_mask.is_floating_point()
        and attention_mask.shape[0] == inputs_embeds.shape[0]
        and attention_mask.device == inputs_embeds.device
    )


def _is_of_tokens(position_ids: Any, inputs_embeds: torch.Tensor) -> bool:
    """Whether it has the position of one token of each sequence, or of all."""
    return (
        type(position_ids) is torch.Tensor
        and position_ids.ndim == 2
        and position_ids.shape[1] == 1
        and position_ids.shape[0] in (1, inputs_embeds.shape[0])
        and position_ids.dtype == torch.int64
        and position_ids.device == inputs_embeds.device
    )


def weights_on_gpu(language_model: PreTrainedModel, like: torch.Tensor) -> list[list[nn.Parameter | None]] | None:
    """
    Whether the decode step on a GPU does what a language model does: where modules have not been changed, quantized or hooked, and
    all weights have the dtype and device of a tensor.

    Returns:
        As [`weights_for_decode_step`], and in one more list the weight of the last norm.
    """
    parts = parts_of(language_model)
    if parts is None or not is_plain_model(language_model, parts) or not _is_plain_rotation(language_model, parts):
        return None
    norm, config = language_model.norm, language_model.config
    if not is_plain(norm, parts.norm) or not is_plain_weight(norm.weight, (config.hidden_size,), like):
        return None
    weights = weights_of_layers(language_model, parts, like)
    return None if weights is None else [*weights, [norm.weight]]


def _is_plain_rotation(language_model: Any, parts: Parts) -> bool:
    """Whether the frequencies of positions do not depend on how many there are, and heads have a width that kernels know."""
    rotary = language_model.rotary_emb
    return (
        is_plain(rotary, parts.rotary_embedding)
        and rotary.rope_type in _ROTATIONS
        and language_model.layers[0].self_attn.head_dim in _HEAD_WIDTHS
        and rotary.inv_freq.shape == (language_model.layers[0].self_attn.head_dim // 2,)
    )


class SameModules:
    """
    What [`weights_on_gpu`] has found of a language model, to be looked at again for each token: in lists, which Python compares
    without a line of code for each module.

    Args:
        language_model (`PreTrainedModel`): which it has allowed.
        weights (`list[list[nn.Parameter | None]]`): what it returned.
    """

    def __init__(self, language_model: PreTrainedModel, weights: list[list[nn.Parameter | None]]):
        modules = [part for layer in language_model.layers for part in layer.modules()]
        modules += [language_model.norm, language_model.rotary_emb]
        self._modules, self._classes = modules, list(map(type, modules))
        self._dicts = [module.__dict__ for module in modules]
        self._parents = [language_model.layers, *(module for module in modules if module._modules)]
        self._children = [list(parent._modules.values()) for parent in self._parents]
        self._parameters = self._all_parameters()
        self._frequencies = language_model.rotary_emb.inv_freq
        self._weights = [weight for layer in weights for weight in layer if weight is not None]
        self._weights.append(self._frequencies)
        self._memory = self._all_memory()
        self._norms, self._attentions = norms_of(language_model), [layer.self_attn for layer in language_model.layers]
        self._numbers = self._all_numbers()

    def are_there(self, language_model: PreTrainedModel) -> bool:
        """Whether they are what they were, and have no hooks."""
        parameters, parts = self._all_parameters(), parts_of(language_model)
        return (
            parts is not None
            and is_plain_model(language_model, parts)
            and language_model.layers is self._parents[0]
            and language_model.norm is self._modules[-2]
            and language_model.rotary_emb is self._modules[-1]
            and language_model.rotary_emb.inv_freq is self._frequencies
            and list(map(type, self._modules)) == self._classes
            and not any("forward" in names or "_compiled_call_impl" in names for names in self._dicts)
            and not any(names["_forward_hooks"] or names["_forward_pre_hooks"] for names in self._dicts)
            and all(list(one._modules.values()) == own for one, own in zip(self._parents, self._children, strict=True))
            and len(parameters) == len(self._parameters)
            and all(map(is_, parameters, self._parameters))
            and self._all_memory() == self._memory
            and self._all_numbers() == self._numbers
        )

    def _all_parameters(self) -> list[nn.Parameter | None]:
        return [parameter for names in self._dicts for parameter in names["_parameters"].values()]

    def _all_numbers(self) -> tuple[Any, ...]:
        """What modules have beside weights."""
        rotary = self._modules[-1]
        return epsilons(self._norms), attention_numbers(self._attentions), rotary.attention_scaling, rotary.rope_type

    def _all_memory(self) -> list[Any]:
        """Where each weight is, and how."""
        weights = self._weights
        parts = torch.Tensor.data_ptr, torch.Tensor.size, torch.Tensor.is_contiguous, attrgetter("dtype")
        return [list(map(part, weights)) for part in parts]
