# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""What the models return."""

from dataclasses import dataclass

import torch
from transformers.modeling_outputs import BaseModelOutputWithPast, BaseModelOutputWithPooling, CausalLMOutputWithPast


@dataclass
class MobileVideoGPTVideoFeatures(BaseModelOutputWithPooling):
    r"""
    Videos as encoded by [`MobileVideoGPTModel.get_video_features`].

    Args:
        last_hidden_state (`torch.Tensor` of shape `(num_videos, 1 + num_selected * num_patches, video_hidden_size)`):
            Output of the video encoder.
        pooler_output (`torch.Tensor` of shape `(num_videos, num_video_tokens, hidden_size)`):
            The rows that the language model gets.
        frame_scores (`torch.Tensor` of shape `(num_videos, num_frames)`):
            Attention that each frame draws, in float32.
        selected_frames (`torch.Tensor` of shape `(num_videos, num_selected)`):
            The frames that the video encoder saw: indices into 0 .. num_frames - 1, in time order.
    """

    frame_scores: torch.Tensor | None = None
    selected_frames: torch.Tensor | None = None


@dataclass
class MobileVideoGPTModelOutputWithPast(BaseModelOutputWithPast):
    r"""
    As [`~modeling_outputs.BaseModelOutputWithPast`], and what became of the visuals.

    Args:
        image_hidden_states (`torch.Tensor` of shape `(num_images, num_image_tokens, hidden_size)`):
            Rows of the images, as the language model got them.
        video_hidden_states (`torch.Tensor` of shape `(num_videos, num_video_tokens, hidden_size)`):
            Rows of the videos, as the language model got them.
        frame_scores, selected_frames (`torch.Tensor`):
            See [`MobileVideoGPTVideoFeatures`].
        image_outputs, video_outputs (`BaseModelOutputWithPooling` and `MobileVideoGPTVideoFeatures`):
            All that [`MobileVideoGPTModel.get_image_features`] and [`MobileVideoGPTModel.get_video_features`] returned, as
            in the models of transformers 5.24.
    """

    image_hidden_states: torch.Tensor | None = None
    video_hidden_states: torch.Tensor | None = None
    frame_scores: torch.Tensor | None = None
    selected_frames: torch.Tensor | None = None
    image_outputs: BaseModelOutputWithPooling | None = None
    video_outputs: MobileVideoGPTVideoFeatures | None = None


@dataclass
class MobileVideoGPTCausalLMOutputWithPast(CausalLMOutputWithPast):
    r"""
    As [`~modeling_outputs.CausalLMOutputWithPast`], and what became of the visuals: see
    [`MobileVideoGPTModelOutputWithPast`].
    """

    image_hidden_states: torch.Tensor | None = None
    video_hidden_states: torch.Tensor | None = None
    frame_scores: torch.Tensor | None = None
    selected_frames: torch.Tensor | None = None
    image_outputs: BaseModelOutputWithPooling | None = None
    video_outputs: MobileVideoGPTVideoFeatures | None = None
