# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""MobileVLM (arXiv 2312.16886) and MobileVLM V2 (arXiv 2402.03766): a CLIP image encoder and a Llama language model."""

import math

import torch
from torch import nn
from transformers import AutoModel, Cache, CLIPVisionModel
from transformers.modeling_outputs import BaseModelOutputWithPooling
from transformers.processing_utils import Unpack
from transformers.utils import TransformersKwargs
from transformers.utils.generic import can_return_tuple

from ..compat.cache_name import takes_cache
from ..kernels.dispatch import use_quick_gelu
from .checkpoint_mapping_mobilevlm import register_checkpoint_mappings
from .configuration_mobilevlm import PUBLISHED_ENCODER, MobileVLMConfig
from .image_features import ImageFeaturesMixin, ImageFeaturesOfBaseModelMixin
from .missing_encoders import Encoder, freeze_unread_weights
from .outputs import VisionLanguageCausalLMOutputWithPast, VisionLanguageModelOutputWithPast
from .projector_ldp import LDPProjector
from .projector_pooled import PooledProjector
from .vision_language_model import (
    VisionLanguageForConditionalGeneration,
    VisionLanguageModel,
    VisionLanguagePreTrainedModel,
)


register_checkpoint_mappings()


class MobileVLMPreTrainedModel(VisionLanguagePreTrainedModel):
    config: MobileVLMConfig
    input_modalities = ("image", "text")
    pixel_inputs = {"image": ("pixel_values",)}
    projectors = ("image_projector",)
    _no_split_modules = ["LDPProjector", "PooledProjector"]
    encoders = {
        "image": Encoder(
            module="vision_tower",
            config_field="vision_config",
            source_field="mm_vision_tower",
            published_source=PUBLISHED_ENCODER,
            example=f"a Hub id or folder of a CLIP model, such as {PUBLISHED_ENCODER}",
        ),
    }


class MobileVLMModel(MobileVLMPreTrainedModel, ImageFeaturesMixin, VisionLanguageModel):
    """MobileVLM without a language modeling head."""

    def __init__(self, config: MobileVLMConfig):
        super().__init__(config)
        config.validate_architecture()  # fields may have been set one by one since it was made
        self.vision_tower = CLIPVisionModel(config.vision_config)
        use_quick_gelu(self.vision_tower)
        widths = (config.vision_config.hidden_size, config.text_config.hidden_size)
        self.image_projector: nn.Module = (
            LDPProjector(*widths)
            if config.projector_type == "ldp"
            else PooledProjector(*widths, math.isqrt(config.num_image_tokens))
        )
        self.language_model = AutoModel.from_config(config.text_config)
        freeze_unread_weights(self)
        self.post_init()

    @can_return_tuple
    @takes_cache
    def forward(
        self,
        input_ids: torch.LongTensor | None = None,
        pixel_values: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.LongTensor | None = None,
        cache: Cache | None = None,
        inputs_embeds: torch.Tensor | None = None,
        mm_encoder_outputs: dict[str, BaseModelOutputWithPooling] | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> VisionLanguageModelOutputWithPast:
        r"""
        Args:
            input_ids (`torch.LongTensor` of shape `(batch_size, sequence_length)`):
                Prompts, with `config.num_image_tokens` placeholders for each image. The placeholders of several images that belong
                together, such as frames, follow each other.
            pixel_values (`torch.Tensor` of shape `(num_images, 3, height, width)`):
                The images of all prompts, in the order of their placeholders.
            inputs_embeds (`torch.Tensor` of shape `(batch_size, sequence_length, hidden_size)`):
                Instead of `input_ids`; placeholders are recognized by their embedding.
            mm_encoder_outputs (`dict[str, BaseModelOutputWithPooling]`):
                What `get_image_features` (`"image"`) returned, instead of pixels.

        Raises:
            ValueError: if placeholders and images do not match, or a shape or dtype does not fit the config.
        """
        return self._run(
            pixels={"image": {"pixel_values": pixel_values}},
            input_ids=input_ids,
            inputs_embeds=inputs_embeds,
            mm_encoder_outputs=mm_encoder_outputs,
            cache=cache,
            attention_mask=attention_mask,
            position_ids=position_ids,
            **kwargs,
        )


class MobileVLMForConditionalGeneration(
    MobileVLMPreTrainedModel, ImageFeaturesOfBaseModelMixin, VisionLanguageForConditionalGeneration
):
    """
    MobileVLM: answers questions about images.

    Example:

    ```python
    >>> from transformers import AutoProcessor
    >>> from transformers_mvgpt import MobileVLMForConditionalGeneration

    >>> model = MobileVLMForConditionalGeneration.from_pretrained("mtgv/MobileVLM_V2-1.7B")
    >>> processor = AutoProcessor.from_pretrained("mtgv/MobileVLM_V2-1.7B")
    >>> content = [{"type": "image", "path": "photo.jpg"}, {"type": "text", "text": "What is in the picture?"}]
    >>> inputs = processor.apply_chat_template(
    ...     [{"role": "user", "content": content}],
    ...     add_generation_prompt=True,
    ...     tokenize=True,
    ...     return_dict=True,
    ...     return_tensors="pt",
    ... )
    >>> generated = model.generate(**inputs, max_new_tokens=64)
    >>> processor.decode(generated[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
    ```"""

    base_model_class = MobileVLMModel

    @can_return_tuple
    @takes_cache
    def forward(
        self,
        input_ids: torch.LongTensor | None = None,
        pixel_values: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.LongTensor | None = None,
        cache: Cache | None = None,
        inputs_embeds: torch.Tensor | None = None,
        labels: torch.LongTensor | None = None,
        logits_to_keep: int | torch.Tensor = 0,
        mm_encoder_outputs: dict[str, BaseModelOutputWithPooling] | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> VisionLanguageCausalLMOutputWithPast:
        r"""
        Takes what [`MobileVLMModel.forward`] takes, and

        Args:
            labels (`torch.LongTensor` of shape `(batch_size, sequence_length)`):
                Ids to predict; -100 where the loss does not look.
            logits_to_keep (`int` or `torch.Tensor`, defaults to 0):
                Logits of this many last positions, or of these positions, are computed; 0 means all.
        """
        return self._run(
            labels,
            logits_to_keep,
            cache,
            {
                "input_ids": input_ids,
                "pixel_values": pixel_values,
                "attention_mask": attention_mask,
                "position_ids": position_ids,
                "inputs_embeds": inputs_embeds,
                "mm_encoder_outputs": mm_encoder_outputs,
            },
            **kwargs,
        )


__all__ = ["MobileVLMForConditionalGeneration", "MobileVLMModel", "MobileVLMPreTrainedModel"]
