# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Frames of videos through an image encoder, a few at a time: a long video needs no more memory in it than a short one."""

import torch
from transformers import PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput

from .image_features import encode_images


FRAMES_AT_A_TIME = 16


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
