# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
The published architecture with tiny sizes, no two of which are equal by chance: the streams differ in their pixels and
patches, pooling does not divide evenly, and one layer of the image encoder is never read.
"""

from functools import partial
from typing import Any

import torch
from torch.nn.utils.rnn import pad_sequence
from transformers import LlamaConfig, LlamaModel, PreTrainedModel, Qwen2Config, Qwen2Model

from seeded_weights import seeded_pixels, seeded_weight
from transformers_mvgpt import MobileVideoGPTConfig, MobileVideoGPTForConditionalGeneration, VideoMambaConfig


VOCAB_SIZE = 99
IMAGE_ID, VIDEO_ID = 97, 98
CONTEXT_SIZE, VIDEO_SIZE = 32, 24  # pixels
NUM_FRAMES = 12  # 2 chunks of 6, 4 of which are selected
NUM_IMAGE_TOKENS = 9
NUM_VIDEO_TOKENS = NUM_FRAMES * NUM_IMAGE_TOKENS + 2 * 4

VISION_CONFIG = {
    "hidden_size": 40,
    "intermediate_size": 56,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "image_size": CONTEXT_SIZE,
    "patch_size": 8,
}
VIDEO_CONFIG = {
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "state_size": 4,
    "image_size": VIDEO_SIZE,
    "patch_size": 8,
    "num_frames": 8,
    "clip_decoder_size": 10,
}
TEXT_CONFIG = {
    "model_type": "qwen2",
    "vocab_size": VOCAB_SIZE,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 1024,
    "tie_word_embeddings": False,
    "bos_token_id": None,
    "eos_token_id": None,
    "pad_token_id": 0,
}


def tiny_config(
    *,
    vision_config: dict[str, Any] | None = None,
    video_config: dict[str, Any] | None = None,
    text_config: dict[str, Any] | None = None,
    **fields: Any,
) -> MobileVideoGPTConfig:
    """The tiny config. The sub-configs' dictionaries replace single fields of theirs."""
    sizes = {
        "num_frames": NUM_FRAMES,
        "frames_per_chunk": 6,
        "num_selected_frames": 4,
        "image_grid_size": 3,
        "video_grid_size": 2,
        "image_token_id": IMAGE_ID,
        "video_token_id": VIDEO_ID,
    }
    return MobileVideoGPTConfig(
        vision_config={**VISION_CONFIG, **(vision_config or {})},
        video_config={**VIDEO_CONFIG, **(video_config or {})},
        text_config={**TEXT_CONFIG, **(text_config or {})},
        **{**sizes, **fields},
    )


def tiny_video_config(**fields: Any) -> VideoMambaConfig:
    return VideoMambaConfig(**{**VIDEO_CONFIG, **fields})


def tiny_model(
    config: MobileVideoGPTConfig | None = None, model_class: type = MobileVideoGPTForConditionalGeneration
) -> MobileVideoGPTForConditionalGeneration:
    """A tiny model with seeded weights, in eval mode."""
    return with_seeded_weights(model_class(config or tiny_config()))


def with_seeded_weights(model: PreTrainedModel) -> PreTrainedModel:
    """Weights as of a trained model, in place: freshly initialised ones make next to no difference to any output."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(seeded_weight(name, tuple(parameter.shape)))
    return model.eval()


def make_videos(*names: str, num_frames: int = NUM_FRAMES) -> dict[str, torch.Tensor]:
    """Both streams of one video per name."""
    return {
        "pixel_values_videos": torch.stack(
            [seeded_pixels(f"{name} frames", num_frames, VIDEO_SIZE) for name in names]
        ),
        "context_pixel_values_videos": torch.stack(
            [seeded_pixels(f"{name} context", num_frames, CONTEXT_SIZE) for name in names]
        ),
    }


def make_images(*names: str) -> dict[str, torch.Tensor]:
    """One image per name."""
    return {"pixel_values": torch.cat([seeded_pixels(name, 1, CONTEXT_SIZE) for name in names])}


def make_prompt(*parts: int | str) -> torch.Tensor:
    """Ids of one prompt, (1, L): `make_prompt(5, "video", 6, "image", 7)`."""
    placeholders = {"image": [IMAGE_ID] * NUM_IMAGE_TOKENS, "video": [VIDEO_ID] * NUM_VIDEO_TOKENS}
    return torch.tensor([[id for part in parts for id in placeholders.get(part, [part])]])


def make_sample(*parts: int | str) -> dict[str, torch.Tensor]:
    """All that the model takes of one prompt: `make_sample(5, "video:a", 6, "image:i")` has the video a and the image i."""
    names: dict[str, list[str]] = {"image": [], "video": []}
    prompt = []
    for part in parts:
        if isinstance(part, str):
            part, _, name = part.partition(":")
            names[part].append(name)
        prompt.append(part)
    images = make_images(*names["image"]) if names["image"] else {}
    videos = make_videos(*names["video"]) if names["video"] else {}
    return {"input_ids": make_prompt(*prompt), **images, **videos}


def pad_left(*prompts: torch.Tensor) -> dict[str, torch.Tensor]:
    """A batch of prompts of different lengths."""
    rows = [prompt[0] for prompt in prompts]
    masks = [torch.ones_like(row) for row in rows]
    pad = partial(pad_sequence, batch_first=True, padding_side="left")
    return {"input_ids": pad(rows), "attention_mask": pad(masks)}


def tiny_language_model(
    dtype: torch.dtype = torch.float32, family: str = "qwen2", **fields: Any
) -> Qwen2Model | LlamaModel:
    """A language model alone, with groups of keys. The family is `"qwen2"` or `"llama"`."""
    sizes = {
        "vocab_size": 9,
        "hidden_size": 24,
        "intermediate_size": 37,
        "num_hidden_layers": 3,
        "num_attention_heads": 6,
        "num_key_value_heads": 2,
    }
    model_class, config_class = {"qwen2": (Qwen2Model, Qwen2Config), "llama": (LlamaModel, LlamaConfig)}[family]
    return with_seeded_weights(model_class(config_class(**{**sizes, **fields}))).to(dtype)
