# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""How tokens are drawn: OpenAI's options as those of `generate`."""

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from transformers import GenerationConfig
from transformers.generation import LogitsProcessor, LogitsProcessorList

from .request_schema import ChatRequest


class RepetitionPenalties(LogitsProcessor):
    """
    OpenAI's penalties: the logit of a token that the answer has n times is lowered by `n * frequency + presence`. The prompt does not
    count.
    """

    def __init__(self, prompt_length: int, frequency: float, presence: float) -> None:
        self.prompt_length, self.frequency, self.presence = prompt_length, frequency, presence

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor) -> torch.FloatTensor:
        answer = input_ids[:, self.prompt_length :]
        counts = torch.zeros_like(scores).scatter_add_(1, answer, torch.ones_like(answer, dtype=scores.dtype))
        return scores - self.frequency * counts - self.presence * (counts > 0)  # type: ignore[return-value]


# What is below leaves the most likely token alone, and to divide by it overflows.
_LOWEST_TEMPERATURE = 1e-5


def sampling_options(request: ChatRequest, prompt_length: int, config: GenerationConfig) -> dict[str, Any]:
    """
    Arguments of `generate`. Where the request says nothing, they are left to the model's generation config.

    Args:
        request ([`ChatRequest`]): The request.
        prompt_length (`int`): Tokens of the prompt.
        config (`GenerationConfig`): The model's.
    """
    options: dict[str, Any] = {"num_beams": 1}  # beams cannot be streamed
    if request.temperature is not None and request.temperature < _LOWEST_TEMPERATURE:
        options["do_sample"] = False
    elif request.temperature is not None or request.top_p not in (None, 1.0):
        options |= {
            "do_sample": True,
            "temperature": 1.0 if request.temperature is None else request.temperature,
            "top_p": 1.0 if request.top_p is None else request.top_p,
            # transformers would take 50, which is not asked for
            "top_k": config.top_k or 0,
        }
    if request.frequency_penalty or request.presence_penalty:
        penalties = RepetitionPenalties(prompt_length, request.frequency_penalty, request.presence_penalty)
        options["logits_processor"] = LogitsProcessorList([penalties])
    return options


@contextlib.contextmanager
def seeded(seed: int | None, device: torch.device) -> Iterator[None]:
    """Random numbers that begin with the seed; those of others go on afterwards as if nothing had been."""
    if seed is None:
        yield
        return
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield
