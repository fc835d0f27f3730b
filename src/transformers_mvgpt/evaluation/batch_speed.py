# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""How fast answers about several videos at once are made."""

import functools
from typing import Any

import torch

from ..modeling.vision_language_model import VisionLanguageForConditionalGeneration
from .machine_limits import RECORDING_CALLS, median_seconds


@torch.inference_mode()
def measure_batches(
    model: VisionLanguageForConditionalGeneration,
    prompt: torch.Tensor,
    pixels: dict[str, torch.Tensor],
    batch_sizes: list[int],
    *,
    runs: int = 5,
    num_new_tokens: int = 128,
) -> list[dict[str, Any]]:
    """
    Answers the same prompt about the same visual several times at once, as `generate` does it by itself: on a GPU, with the CUDA
    graphs that the model records when a shape has come a few times.

    Args:
        model ([`VisionLanguageForConditionalGeneration`]): the model, where and in which dtype it is to be measured.
        prompt (`torch.Tensor` of shape `(1, length)`): token ids.
        pixels (`dict[str, torch.Tensor]`): of one video or image, `(1, ..., 3, height, width)` for each input of the model.
        batch_sizes (`list[int]`): how many at once.
        runs (`int`): of each, after one that is not counted.
        num_new_tokens (`int`): of each answer, at least 2.

    Returns:
        `list[dict[str, Any]]`: of each batch size `batch_size`; `first_token_seconds`, the median, from pixels to the first token
        of all; `tokens_per_second`, of those after the first, of all answers together; `reserved_memory_bytes`, what torch
        took of a GPU at most, recordings included, otherwise `None`.

    Raises:
        ValueError: if a batch size or `num_new_tokens` is too small.
    """
    if min(batch_sizes, default=1) < 1 or num_new_tokens < 2:
        raise ValueError(
            f"`batch_sizes` ({batch_sizes}) must be at least 1, and `num_new_tokens` ({num_new_tokens}) at least 2."
        )
    return [_measure(model, prompt, pixels, size, runs, num_new_tokens) for size in batch_sizes]


def _measure(
    model: VisionLanguageForConditionalGeneration,
    prompt: torch.Tensor,
    pixels: dict[str, torch.Tensor],
    batch_size: int,
    runs: int,
    num_new_tokens: int,
) -> dict[str, Any]:
    on_gpu = model.device.type == "cuda"
    if on_gpu:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(model.device)
    prompts = prompt.expand(batch_size, -1).contiguous()
    visuals = {name: stream.expand(batch_size, *stream.shape[1:]) for name, stream in pixels.items()}
    options = {"do_sample": False, "eos_token_id": model.config.text_config.vocab_size}  # it never comes
    answer = functools.partial(model.generate, prompts, attention_mask=torch.ones_like(prompts), **visuals, **options)
    # the short one last: what the first answers compile is not in its time
    warm_ups = RECORDING_CALLS if on_gpu else 1
    seconds = {
        length: median_seconds(functools.partial(answer, max_new_tokens=length), model.device, runs, warm_ups=warm_ups)
        for length in (num_new_tokens, 1)
    }
    num_later = batch_size * (num_new_tokens - 1)
    return {
        "batch_size": batch_size,
        "first_token_seconds": seconds[1],
        "tokens_per_second": num_later / (seconds[num_new_tokens] - seconds[1]),
        "reserved_memory_bytes": torch.cuda.max_memory_reserved(model.device) if on_gpu else None,
    }
