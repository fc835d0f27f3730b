# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Frames of videos through an image encoder, a few at a time: a long video needs no more memory in it than a short one."""

import torch
from transformers import PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput

from .image_features import encode_images
from .model_inputs import check_pixels


FRAMES_AT_A_TIME = 16


class FrameFeaturesMixin:
    """A base model with a `vision_tower` that sees the frames of videos one by one."""

    config: PreTrainedConfig
    vision_tower: PreTrainedModel

    def encode_frames(self, pixel_values: torch.Tensor) -> torch.Tensor:
        r"""
        Frames as the image encoder sees them, of which `get_video_features(..., image_features=...)` makes videos. A frame that is in
        several of them, as in a window that moves along a stream, so goes through the encoder once.

        Args:
            pixel_values (`torch.Tensor` of shape `(num_frames, 3, height, width)`):
                Normalized frames, as the processor returns them for the image encoder.

        Returns:
            `torch.Tensor` of shape `(num_frames, num_patches, vision_hidden_size)`: the features. They depend on how many frames are
            encoded together no more than rounding does.

        Raises:
            ValueError: if the shape or dtype does not fit the config.
        """
        check_pixels("pixel_values", pixel_values, self.config.vision_config.image_size, "num_frames")
        return encode_frames(
            self.vision_tower, pixel_values, self.config.vision_feature_layer, output_hidden_states=False
        ).last_hidden_state


class FrameFeaturesOfBaseModelMixin:
    """A model with a head, whose base model is one with frames."""

    def encode_frames(self, pixel_values: torch.Tensor) -> torch.Tensor:
        """As the base model's `encode_frames`."""
        return self.model.encode_frames(pixel_values)  # type: ignore[attr-defined]


def encode_frames(tower: PreTrainedModel, frames: torch.Tensor, feature_layer: int, **kwargs) -> BaseModelOutput:
    """
    As [`encode_images`], in parts.

    Args:
        tower (`CLIPVisionModel` or `SiglipVisionModel`): the image encoder.
        frames (`torch.Tensor` of shape `(num_frames, 3, height, width)`): normalized frames, of any number of videos.
        feature_layer (`int`): which of the encoder's hidden states (embeddings first) are the features.
        kwargs: as for [`encode_images`].
    """
    parts = frames.split(FRAMES_AT_A_TIME)
    first = encode_images(tower, parts[0], feature_layer, **kwargs)
    if len(parts) == 1:
        return first
    features = first.last_hidden_state
    if features.requires_grad or first.hidden_states is not None or first.attentions is not None:
        outputs = [first, *(encode_images(tower, part, feature_layer, **kwargs) for part in parts[1:])]
        return BaseModelOutput(
            last_hidden_state=torch.cat([output.last_hidden_state for output in outputs]),
            hidden_states=_joined([output.hidden_states for output in outputs]),
            attentions=_joined([output.attentions for output in outputs]),
        )
    # what is computed is written to its place at once, and held only there
    joined = features.new_empty((len(frames), *features.shape[1:]))
    joined[: len(features)] = features
    for number, part in enumerate(parts[1:], start=1):
        start = number * FRAMES_AT_A_TIME
        joined[start : start + len(part)] = encode_images(tower, part, feature_layer, **kwargs).last_hidden_state
    return BaseModelOutput(last_hidden_state=joined)


def _joined(recorded: list[tuple[torch.Tensor, ...] | None]) -> tuple[torch.Tensor, ...] | None:
    """What was recorded of each layer, of all parts."""
    parts = [part for part in recorded if part is not None]
    return tuple(map(torch.cat, zip(*parts, strict=True))) if parts else None
