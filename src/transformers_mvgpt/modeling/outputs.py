# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""What the models return."""

from dataclasses import dataclass

import torch
from transformers.modeling_outputs import BaseModelOutputWithPast, BaseModelOutputWithPooling, CausalLMOutputWithPast


@dataclass
class VideoFeatures(BaseModelOutputWithPooling):
    r"""
    Videos as a model's `get_video_features` encodes them.

    Args:
        last_hidden_state (`torch.Tensor` of shape `(num_videos, num_encoder_tokens, encoder_hidden_size)`):
            Output of the video encoder.
        pooler_output (`torch.Tensor` of shape `(num_videos, num_video_tokens, hidden_size)`):
            The visual tokens that the language model gets.
        hidden_states (`tuple[torch.Tensor]`, each of the shape of `last_hidden_state`, *optional*):
            With `output_hidden_states`: of the video encoder, before its first layer and after each.
        attentions (`tuple[torch.Tensor]`, each `(num_videos * num_frames, num_heads, num_patches, num_patches)`, *optional*):
            With `output_attentions` and eager attention: of the image encoder, where a model has one beside the video encoder.
        context_hidden_states (`tuple[torch.Tensor]`, each `(num_videos * num_frames, num_patches, vision_hidden_size)`, *optional*):
            With `output_hidden_states`: of that image encoder, likewise, on `context_pixel_values_videos`.
        frame_scores (`torch.Tensor` of shape `(num_videos, num_frames)`, *optional*):
            Attention that each frame draws, in float32, of a model that chooses frames by it.
        selected_frames (`torch.Tensor` of shape `(num_videos, num_selected)`, *optional*):
            The frames that the video encoder saw: indices into 0 .. num_frames - 1, in time order.
    """

    context_hidden_states: tuple[torch.Tensor, ...] | None = None
    frame_scores: torch.Tensor | None = None
    selected_frames: torch.Tensor | None = None


@dataclass
class VisionLanguageModelOutputWithPast(BaseModelOutputWithPast):
    r"""
    As [`~modeling_outputs.BaseModelOutputWithPast`], and what became of the visuals.

    Args:
        image_hidden_states (`torch.Tensor` of shape `(num_images, num_image_tokens, hidden_size)`):
            Visual tokens of the images, as the language model got them.
        video_hidden_states (`torch.Tensor` of shape `(num_videos, num_video_tokens, hidden_size)`):
            Visual tokens of the videos, as the language model got them.
        frame_scores, selected_frames (`torch.Tensor`, *optional*):
            See [`VideoFeatures`].
        image_outputs, video_outputs (`BaseModelOutputWithPooling` and [`VideoFeatures`]):
            All that `get_image_features` and `get_video_features` returned, as in the models of transformers 5.24. With
            `output_hidden_states` and `output_attentions`, the encoders' own are in there.
    """

    image_hidden_states: torch.Tensor | None = None
    video_hidden_states: torch.Tensor | None = None
    frame_scores: torch.Tensor | None = None
    selected_frames: torch.Tensor | None = None
    image_outputs: BaseModelOutputWithPooling | None = None
    video_outputs: VideoFeatures | None = None


@dataclass
class VisionLanguageCausalLMOutputWithPast(CausalLMOutputWithPast):
    r"""
    As [`~modeling_outputs.CausalLMOutputWithPast`], and what became of the visuals: see
    [`VisionLanguageModelOutputWithPast`].
    """

    image_hidden_states: torch.Tensor | None = None
    video_hidden_states: torch.Tensor | None = None
    frame_scores: torch.Tensor | None = None
    selected_frames: torch.Tensor | None = None
    image_outputs: BaseModelOutputWithPooling | None = None
    video_outputs: VideoFeatures | None = None
