# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Other models of transformers at their published sizes, with random weights: how long they take for a first token."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional as F
from transformers import (
    LlavaOnevisionConfig,
    LlavaOnevisionForConditionalGeneration,
    PreTrainedModel,
    SmolVLMConfig,
    SmolVLMForConditionalGeneration,
)

from .machine_limits import median_seconds_in_turns


_LLAVA_VISION = {
    "model_type": "siglip_vision_model",
    "hidden_size": 1152,
    "intermediate_size": 4304,
    "image_size": 384,
    "patch_size": 14,
    "num_hidden_layers": 26,
    "num_attention_heads": 16,
    "vision_use_head": False,
}
_QWEN2_05B = {
    "model_type": "qwen2",
    "vocab_size": 152000,
    "hidden_size": 896,
    "intermediate_size": 4864,
    "num_hidden_layers": 24,
    "num_attention_heads": 14,
    "num_key_value_heads": 2,
    "max_position_embeddings": 32768,
    "tie_word_embeddings": True,
}
_SMOL_VISION = {
    "hidden_size": 768,
    "intermediate_size": 3072,
    "image_size": 512,
    "patch_size": 16,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
}
_SMOL_TEXT = {
    "model_type": "llama",
    "vocab_size": 49280,
    "hidden_size": 960,
    "intermediate_size": 2560,
    "num_hidden_layers": 32,
    "num_attention_heads": 15,
    "num_key_value_heads": 5,
    "max_position_embeddings": 8192,
}


@dataclass(frozen=True)
class Baseline:
    """
    Args:
        build (`Callable`): makes the model.
        image_size (`int`): height and width of its frames, in pixels.
        tokens_per_frame (`int`): visual tokens that its language model gets of a frame.
        extra_tokens (`int`): visual tokens that come once.
        placeholder (`Callable`): the token id in whose place visual tokens stand, of the config.
        pixels (`str`): name of the frames among the model's inputs.
    """

    build: Callable[[], PreTrainedModel]
    image_size: int
    tokens_per_frame: int
    extra_tokens: int
    placeholder: Callable[[Any], int]
    pixels: str


BASELINES = {
    "llava-onevision-0.5b": Baseline(
        lambda: LlavaOnevisionForConditionalGeneration(
            LlavaOnevisionConfig(vision_config=_LLAVA_VISION, text_config=_QWEN2_05B, tie_word_embeddings=True)
        ),
        image_size=384,
        tokens_per_frame=196,
        extra_tokens=1,  # the end of the video
        placeholder=lambda config: config.video_token_id,
        pixels="pixel_values_videos",
    ),
    "smolvlm2-500m": Baseline(
        lambda: SmolVLMForConditionalGeneration(
            SmolVLMConfig(
                vision_config=_SMOL_VISION,
                text_config=_SMOL_TEXT,
                scale_factor=4,
                image_token_id=49190,
                tie_word_embeddings=False,
            )
        ),
        image_size=512,
        tokens_per_frame=64,
        extra_tokens=0,
        placeholder=lambda config: config.image_token_id,
        pixels="pixel_values",
    ),
}


def check_baselines(names: list[str]) -> None:
    """
    Raises:
        ValueError: if one of the names is not in `BASELINES`.
    """
    if unknown := [name for name in names if name not in BASELINES]:
        raise ValueError(
            f"There is no model {unknown[0]!r} to compare with: take {' or '.join(map(repr, BASELINES))}."
        )


@torch.inference_mode()
def measure_baseline(
    name: str,
    frames: torch.Tensor,
    prompt_length: int,
    device: torch.device,
    dtype: torch.dtype,
    our_first_token: Callable[[], object],
    runs: int = 5,
) -> dict[str, Any]:
    """
    Seconds from frames in memory to the first token, of another model and of ours, which take turns.

    Args:
        name (`str`): of `BASELINES`.
        frames (`torch.Tensor` of shape `(n, 3, height, width)`): frames of a video, resized to what the model takes.
        prompt_length (`int`): tokens of text around them.
        device (`torch.device`), dtype (`torch.dtype`): where, and of the weights.
        our_first_token (`Callable`): makes ours.
        runs (`int`): of each, after one that is not counted.

    Returns:
        `dict[str, Any]`: `seconds`, the median; `our_seconds`, likewise; `num_parameters`; `num_prompt_tokens`.

    Raises:
        ValueError: if there is no such model.
    """
    check_baselines([name])
    baseline = BASELINES[name]
    with torch.device(device):
        model = baseline.build().to(dtype).eval()
    size = (baseline.image_size, baseline.image_size)
    pixels = F.interpolate(frames.float(), size, mode="bilinear")[None]
    pixels = (pixels / 127.5 - 1).to(device, dtype)  # frames of zeros would count as padding
    num_visual_tokens = len(frames) * baseline.tokens_per_frame + baseline.extra_tokens
    ids = torch.full((1, num_visual_tokens + prompt_length), baseline.placeholder(model.config), device=device)
    ids[:, :1] = ids[:, num_visual_tokens + 1 :] = 1  # any token but the placeholder
    mask = torch.ones_like(ids)

    def first_token() -> torch.Tensor:
        return model.generate(
            ids, attention_mask=mask, min_new_tokens=1, max_new_tokens=1, do_sample=False, **{baseline.pixels: pixels}
        )

    seconds, our_seconds = median_seconds_in_turns([first_token, our_first_token], device, runs)
    return {
        "seconds": seconds,
        "our_seconds": our_seconds,
        "num_parameters": sum(parameter.numel() for parameter in model.parameters()),
        "num_prompt_tokens": ids.shape[1],
    }
