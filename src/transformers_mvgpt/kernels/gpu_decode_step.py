# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
Decode steps on a GPU by recordings of Triton kernels, in the place of a language model's own.

Between two tokens of an answer the GPU waits for Python. So what can have changed in hundreds of modules is looked at while the
GPU is making the step, and before anybody gets its result: a step of a model that has changed is thrown away. Nothing of the cache
has changed then.
"""

import threading
from typing import Any
from weakref import WeakKeyDictionary

import torch
from transformers import PreTrainedModel
from transformers.modeling_outputs import BaseModelOutputWithPast

from ..compat.cache_name import CACHE_NAME
from .decode_buffer import CacheBuffer, buffer_of, known_buffer
from .gates_gpu_decode import SameModules, may_decode_on_gpu, weights_on_gpu
from .gates_language_model import holds_sequences, key_heads
from .triton_decode_step import StepNumbers, StepOnGPU, Weights


# By number of sequences; of more, the one that was recorded first is dropped.
_MOST_RECORDINGS = 8
_STEPS: WeakKeyDictionary[PreTrainedModel, dict[Any, tuple[StepOnGPU, SameModules]]] = WeakKeyDictionary()
_LOCK = threading.Lock()


def decode_on_gpu(
    language_model: PreTrainedModel,
    inputs_embeds: torch.Tensor,
    attention_mask: torch.Tensor | None = None,
    position_ids: torch.Tensor | None = None,
    may_record: bool = True,
    **kwargs: Any,
) -> BaseModelOutputWithPast | None:
    """
    What a language model returns for a token that comes after others of each sequence, or nothing where the kernels do not do the
    same. Nothing has changed in this case.

    Args:
        language_model (`PreTrainedModel`): without a head.
        inputs_embeds (`torch.Tensor` of shape `(B, 1, h)`): float32, float16 or bfloat16.
        attention_mask, position_ids, kwargs: as the language model takes them.
        may_record (`bool`, defaults to `True`): without recordings, the kernels are asked for one by one.
    """
    cache = kwargs.pop(CACHE_NAME, None)
    if not may_decode_on_gpu(inputs_embeds, attention_mask, position_ids, cache, **kwargs):
        return None
    buffer = known_buffer(cache)
    kind = inputs_embeds.shape[0], inputs_embeds.dtype, inputs_embeds.device
    known = _STEPS.get(language_model, {}).get(kind)
    if known is None or buffer is None:
        weights = weights_on_gpu(language_model, inputs_embeds)
        if weights is None or not holds_sequences(cache, language_model.config, inputs_embeds):
            return None
        try:
            buffer = buffer_of(cache)
        except torch.OutOfMemoryError:
            return None  # it needs the cache twice for a moment, the model's own step does not
        if known is None or not known[0].reads(weights):
            known = _new_step(language_model, weights, kind)
    elif not buffer.holds(language_model.config.num_hidden_layers, key_heads(language_model.config), inputs_embeds):
        return None
    if attention_mask is not None and attention_mask.shape[1] != buffer.length + 1:
        return None
    step, modules = known
    result = _make(step, buffer, inputs_embeds, attention_mask, position_ids, may_record)
    if not modules.are_there(language_model) and not step.reads(weights_on_gpu(language_model, inputs_embeds)):
        forget_decode_steps(language_model)
        return None
    buffer.show(buffer.length + 1)
    return BaseModelOutputWithPast(result, **{CACHE_NAME: cache})


def forget_decode_steps(language_model: Any) -> None:
    """Frees the recordings of a language model, if it is one, and the weights if nobody else has them."""
    with _LOCK:
        if language_model is not None:
            _STEPS.pop(language_model, None)


def _new_step(language_model: PreTrainedModel, weights: Weights, kind: Any) -> tuple[StepOnGPU, SameModules]:
    step = StepOnGPU(language_model, weights, kind[0]), SameModules(language_model, weights)
    with _LOCK:
        steps = _STEPS.setdefault(language_model, {})
        steps.pop(kind, None)
        if len(steps) == _MOST_RECORDINGS:
            del steps[next(iter(steps))]
        steps[kind] = step
    return step


def _make(
    step: StepOnGPU,
    buffer: CacheBuffer,
    inputs_embeds: torch.Tensor,
    attention_mask: torch.Tensor | None,
    position_ids: torch.Tensor | None,
    may_record: bool,
) -> torch.Tensor:
    """Asks for a step, (B, 1, h). Its inputs may be freed when this returns: the GPU reads them before what comes later."""
    inputs_embeds = inputs_embeds.contiguous()
    result = torch.empty_like(inputs_embeds)
    mask = None if attention_mask is None else attention_mask.to(torch.int64).contiguous()
    step(
        StepNumbers(
            keys=buffer.keys.data_ptr(),
            values=buffer.values.data_ptr(),
            capacity=buffer.capacity,
            num_cached=buffer.length,
            mask=0 if mask is None else mask.data_ptr(),
            mask_stride=0 if mask is None else mask.shape[1],
            positions=0 if position_ids is None else position_ids.data_ptr(),
            position_stride=0 if position_ids is None or position_ids.shape[0] == 1 else position_ids.stride(0),
            embeddings=inputs_embeds.data_ptr(),
            result=result.data_ptr(),
        ),
        may_record,
    )
    return result
