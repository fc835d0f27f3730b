# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Images as CLIP and SigLIP see them, from the layer that a family takes them from, and as visual tokens of a language model."""

from collections.abc import Iterable
from functools import partial

import torch
from torch import nn
from transformers import PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput, BaseModelOutputWithPooling
from transformers.processing_utils import Unpack
from transformers.utils import TransformersKwargs
from transformers.utils.generic import can_return_tuple, merge_with_config_defaults

from ..kernels.dispatch import run_image_layers
from .model_inputs import check_pixels


class ImageFeaturesMixin:
    """A base model with a `vision_tower` and an `image_projector`."""

    config: PreTrainedConfig
    vision_tower: PreTrainedModel
    image_projector: nn.Module

    @merge_with_config_defaults
    @can_return_tuple
    def get_image_features(
        self, pixel_values: torch.Tensor, **kwargs: Unpack[TransformersKwargs]
    ) -> BaseModelOutputWithPooling:
        r"""
        Encodes single images.

        Args:
            pixel_values (`torch.Tensor` of shape `(num_images, 3, height, width)`):
                Normalized images.

        Returns:
            [`~modeling_outputs.BaseModelOutputWithPooling`]: `last_hidden_state` has the features of the image encoder,
            `(num_images, num_patches, vision_hidden_size)`, `pooler_output` the visual tokens for the language model,
            `(num_images, num_image_tokens, hidden_size)`.

        Raises:
            ValueError: if the shape or dtype does not fit the config.
        """
        check_pixels("pixel_values", pixel_values, self.config.vision_config.image_size, "num_images")
        outputs = self._encode_images(pixel_values, **kwargs)
        return BaseModelOutputWithPooling(
            last_hidden_state=outputs.last_hidden_state,
            pooler_output=self.image_projector(outputs.last_hidden_state),
            hidden_states=outputs.hidden_states,
            attentions=outputs.attentions,
        )

    def _encode_images(self, pixel_values: torch.Tensor, **kwargs) -> BaseModelOutput:
        """(n, 3, H, W) -> features (n, P, D) of the configured layer. Layers beyond it run only to be recorded."""
        return encode_images(self.vision_tower, pixel_values, self.config.vision_feature_layer, **kwargs)


class ImageFeaturesOfBaseModelMixin:
    """A model with a head, whose base model is one with images."""

    def get_image_features(
        self, pixel_values: torch.Tensor, **kwargs: Unpack[TransformersKwargs]
    ) -> tuple | BaseModelOutputWithPooling:
        """As the base model's `get_image_features`."""
        return self.model.get_image_features(pixel_values, **kwargs)  # type: ignore[attr-defined]


def encode_images(tower: PreTrainedModel, pixel_values: torch.Tensor, feature_layer: int, **kwargs) -> BaseModelOutput:
    """
    The features of images without the first one of each image, which is CLIP's class token.

    Args:
        tower (`CLIPVisionModel` or `SiglipVisionModel`): the image encoder.
        pixel_values (`torch.Tensor` of shape `(num_images, 3, height, width)`): normalized images.
        feature_layer (`int`): which of the encoder's hidden states (embeddings first) are the features.
        kwargs: `output_hidden_states` and `output_attentions` record all layers; the others only then run beyond the features.

    Returns:
        [`~modeling_outputs.BaseModelOutput`]: `last_hidden_state` has the features, `(num_images, num_tokens - 1, hidden_size)`.
    """
    recorded = {
        name: kwargs.get(name, getattr(tower.config, name)) for name in ("output_hidden_states", "output_attentions")
    }
    with gradients_if_wanted(tower, pixel_values):
        if any(recorded.values()):
            outputs = tower(pixel_values, **{**kwargs, "output_hidden_states": True}, return_dict=True)
            hidden_states = outputs.hidden_states[feature_layer]
            all_hidden_states = outputs.hidden_states if recorded["output_hidden_states"] else None
            attentions = outputs.attentions if recorded["output_attentions"] else None
        else:
            all_hidden_states = attentions = None
            layers = tower.encoder.layers[: num_layers_run(tower.config, feature_layer)]
            embeddings = tower.embeddings(pixel_values)
            if hasattr(tower, "pre_layrnorm"):  # CLIP has one
                embeddings = tower.pre_layrnorm(embeddings)
            hidden_states = run_image_layers(layers, embeddings, plain=partial(_call_each, layers))
    return BaseModelOutput(
        last_hidden_state=hidden_states[:, 1:], hidden_states=all_hidden_states, attentions=attentions
    )


def num_layers_run(config: PreTrainedConfig, feature_layer: int) -> int:
    """Layers of an image encoder with this config that its features come through."""
    return feature_layer % (config.num_hidden_layers + 1)


def gradients_if_wanted(encoder: nn.Module, pixels: torch.Tensor) -> torch.set_grad_enabled:
    """Gradient checkpointing makes the embeddings of a frozen encoder require gradients, which nothing wants."""
    is_wanted = pixels.requires_grad or any(parameter.requires_grad for parameter in encoder.parameters())
    return torch.set_grad_enabled(torch.is_grad_enabled() and is_wanted)


def _call_each(layers: Iterable[nn.Module], hidden_states: torch.Tensor) -> torch.Tensor:
    for layer in layers:
        hidden_states = layer(hidden_states, None)
    return hidden_states
