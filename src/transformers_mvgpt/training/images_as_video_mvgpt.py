# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Images through Mobile-VideoGPT's video encoder: how its video projector is trained before it meets videos."""

from typing import Any

import torch
from transformers import PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutputWithPooling


def send_images_through_video_encoder(model: PreTrainedModel) -> None:
    """
    From now on, `pixel_values_videos` of one frame each are the images of the prompts. This happens inside of the forward pass,
    where wrappers that shard or synchronize the model see it.
    """
    model.register_forward_pre_hook(_encode, with_kwargs=True)


def num_frame_tokens(config: PreTrainedConfig) -> int:
    """Visual tokens that the video projector makes of one image."""
    return config.video_grid_size**2


def encode_images_as_video(model: PreTrainedModel, frames: torch.Tensor) -> BaseModelOutputWithPooling:
    """
    Images through the video encoder, each as a video of one frame, and on through the video projector with all of their
    patches.

    Args:
        model ([`MobileVideoGPTForConditionalGeneration`]): the model, which has a video encoder.
        frames (`torch.Tensor` of shape `(num_images, 1, 3, height, width)`): as the video encoder wants them.

    Returns:
        [`~modeling_outputs.BaseModelOutputWithPooling`]: `last_hidden_state` of the video encoder, and as `pooler_output` the
        visual tokens, `(num_images, video_grid_size ** 2, hidden_size)`.
    """
    tower, projector = (model.get_submodule(f"model.{name}") for name in ("video_tower", "video_projector"))
    learns = any(parameter.requires_grad for parameter in tower.parameters())
    with torch.set_grad_enabled(torch.is_grad_enabled() and learns):
        features = tower(frames).last_hidden_state  # (num_images, 1 + patches, D)
    return BaseModelOutputWithPooling(last_hidden_state=features, pooler_output=projector(features[:, 1:]))


def _encode(model: PreTrainedModel, args: tuple, kwargs: dict[str, Any]) -> tuple[tuple, dict[str, Any]]:
    frames = kwargs.pop("pixel_values_videos", None)
    if frames is not None:
        kwargs["mm_encoder_outputs"] = {"image": encode_images_as_video(model, frames)}
    return args, kwargs
