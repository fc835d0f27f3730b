# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""A token after others, by the compiled step of decoding on CPU and by the language model itself."""

import torch
from transformers import DynamicCache, Qwen2Model

from transformers_mvgpt.compat.cache_name import CACHE_NAME
from transformers_mvgpt.kernels import decode_step, gates_language_model


def read_prompt(model: Qwen2Model, length: int) -> DynamicCache:
    """A cache of the random tokens of a prompt."""
    cache = DynamicCache(config=model.config)
    prompt = torch.randn(1, length, model.config.hidden_size, generator=torch.Generator().manual_seed(length))
    with torch.no_grad():
        model(inputs_embeds=prompt.to(model.dtype), use_cache=True, **{CACHE_NAME: cache})
    return cache


def make_token(model: Qwen2Model, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(1, 1, model.config.hidden_size, generator=generator).to(model.dtype)


def decode_on_cpu(model, inputs_embeds, **inputs):
    """By the compiled step, or `None` where that would not do the same."""
    weights = gates_language_model.weights_for_decode_step(model, inputs_embeds, **inputs)
    return None if weights is None else decode_step.decode_step(model, weights, inputs_embeds, **inputs)


@torch.no_grad()
def decode(model: Qwen2Model, token: torch.Tensor, cache: DynamicCache, **inputs) -> torch.Tensor:
    """By the compiled step."""
    output = decode_on_cpu(model, token, use_cache=True, **{CACHE_NAME: cache}, **inputs)
    assert output[CACHE_NAME] is cache
    return output.last_hidden_state


@torch.no_grad()
def decode_plainly(model: Qwen2Model, token: torch.Tensor, cache: DynamicCache, **inputs) -> torch.Tensor:
    return model(inputs_embeds=token, use_cache=True, **{CACHE_NAME: cache}, **inputs).last_hidden_state


def assert_same_cache(actual: DynamicCache, expected: DynamicCache, **tolerance: float) -> None:
    for one, other in zip(actual.layers, expected.layers, strict=True):
        torch.testing.assert_close((one.keys, one.values), (other.keys, other.values), **tolerance)
