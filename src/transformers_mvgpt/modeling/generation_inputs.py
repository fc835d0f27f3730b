# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""What `generate` is given, brought to what transformers' generation makes the right thing of."""

import copy
from typing import Any

import torch
from transformers import PreTrainedConfig

from ..compat.cache_name import NEW_NAME, OLD_NAME
from .model_inputs import check_both_streams


PIXELS = {"image": ("pixel_values",), "video": ("pixel_values_videos", "context_pixel_values_videos")}


def prepare_generation_inputs(
    config: PreTrainedConfig, input_ids: torch.Tensor | None, inputs: dict[str, Any]
) -> dict[str, Any]:
    """
    The arguments of `generate`, without visuals that a given cache already holds.

    Args:
        config ([`MobileVideoGPTConfig`]): of the model.
        input_ids (`torch.Tensor` of shape `(batch_size, sequence_length)`, *optional*): the prompts, cached tokens included.
        inputs (`dict[str, Any]`): all other arguments.

    Raises:
        ValueError: if a prompt is longer than the context, or one stream of the videos is given without the other.
    """
    # transformers encodes by `pixel_values_videos` and would drop the other stream alone
    check_both_streams(inputs.get("pixel_values_videos"), inputs.get("context_pixel_values_videos"))
    # it would encode pixels that are None, and changes the encoder outputs that it is given
    absent = {name for names in PIXELS.values() for name in names if inputs.get(name) is None}
    inputs = {name: value for name, value in inputs.items() if name not in absent}
    encoded = inputs.get("mm_encoder_outputs") or {}
    inputs["mm_encoder_outputs"] = {modality: copy.copy(output) for modality, output in encoded.items()}
    if input_ids is not None:
        _check_length(config, input_ids)
        cache, mask = inputs.get(NEW_NAME, inputs.get(OLD_NAME)), inputs.get("attention_mask")
        # as transformers tells them apart: a mask that is longer than the prompt comes with new tokens alone
        is_whole_conversation = mask is None or mask.shape[1] == input_ids.shape[1]
        if cache is not None and is_whole_conversation:
            _drop_cached_visuals(config, input_ids, int(cache.get_seq_length()), inputs)
    return inputs


def _check_length(config: PreTrainedConfig, input_ids: torch.Tensor) -> None:
    rope = config.text_config.rope_parameters or {}
    limit = int(config.text_config.max_position_embeddings * (rope.get("factor") or 1))
    if input_ids.shape[-1] > limit:
        raise ValueError(
            f"The prompt has {input_ids.shape[-1]} tokens, the language model takes at most {limit} "
            "(`text_config.max_position_embeddings`): pass fewer videos or images, or less text. A video takes "
            f"{config.num_video_tokens} tokens, an image {config.num_image_tokens}."
        )


def _drop_cached_visuals(
    config: PreTrainedConfig, input_ids: torch.Tensor, cached_length: int, inputs: dict[str, Any]
) -> None:
    """
    In a later turn the prompts repeat placeholders whose rows are in the cache. If the visuals of the whole
    conversation are given, those must not be encoded again; if only new ones are given, all of them count.
    """
    for modality, token_id, num_rows in (
        ("image", config.image_token_id, config.num_image_tokens),
        ("video", config.video_token_id, config.num_video_tokens),
    ):
        placeholders = input_ids == token_id
        counts = (placeholders.sum(1) // num_rows).tolist()
        cached = (placeholders[:, :cached_length].sum(1) // num_rows).tolist()
        total = 0  # visuals stand one prompt after the other
        new: list[int] = []
        for count, num_cached in zip(counts, cached, strict=True):
            new += range(total + num_cached, total + count)
            total += count
        for name in PIXELS[modality]:
            if name in inputs and len(inputs[name]) == total:
                inputs[name] = inputs[name][new]
        encoded = inputs["mm_encoder_outputs"].get(modality)
        if encoded is not None and len(encoded.pooler_output) == total:
            rows = encoded.pooler_output
            encoded.pooler_output = rows[new] if isinstance(rows, torch.Tensor) else [rows[index] for index in new]
        if not new:
            for name in PIXELS[modality]:
                inputs.pop(name, None)
            inputs["mm_encoder_outputs"].pop(modality, None)
