# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
TinyLLaVA-Video (arXiv 2501.15513): a SigLIP image encoder, a resampler that makes a fixed number of visual tokens of all frames of a
video, and a Qwen2 or Phi language model.

Symbols in the shape comments: V videos, N frames of all videos, P patches per frame without the first, h width of the language model.
"""

import torch
from transformers import AutoModel, Cache, SiglipVisionModel
from transformers import initialization as init
from transformers.modeling_outputs import BaseModelOutput, BaseModelOutputWithPooling
from transformers.processing_utils import Unpack
from transformers.utils import TransformersKwargs
from transformers.utils.generic import can_return_tuple, merge_with_config_defaults

from ..compat.cache_name import takes_cache
from .checkpoint_mapping_tinyllava import register_checkpoint_mapping
from .configuration_tinyllava import PUBLISHED_ENCODER, TinyLlavaVideoConfig
from .frame_encoding import FrameFeaturesMixin, FrameFeaturesOfBaseModelMixin, encode_frames
from .missing_encoders import Encoder, freeze_unread_weights
from .model_inputs import check_image_features, join_frames
from .outputs import VideoFeatures, VisionLanguageCausalLMOutputWithPast, VisionLanguageModelOutputWithPast
from .resampler_tinyllava import Resampler, make_resampler
from .vision_language_model import (
    VisionLanguageForConditionalGeneration,
    VisionLanguageModel,
    VisionLanguagePreTrainedModel,
)


register_checkpoint_mapping()


class TinyLlavaVideoPreTrainedModel(VisionLanguagePreTrainedModel):
    config: TinyLlavaVideoConfig
    input_modalities = ("video", "text")
    pixel_inputs = {"video": ("pixel_values_videos", "num_frames_per_video")}
    projectors = ("video_projector",)
    encoders = {
        "image": Encoder(
            module="vision_tower",
            config_field="vision_config",
            source_field="vision_model_name_or_path",
            published_source=PUBLISHED_ENCODER,
            example=f"a Hub id or folder of a SigLIP model, such as {PUBLISHED_ENCODER}",
        ),
    }
    _no_split_modules = ["GroupResampler", "NaiveResampler"]

    def _init_weights(self, module):
        super()._init_weights(module)
        if isinstance(module, Resampler):
            init.normal_(module.latents)


class TinyLlavaVideoModel(TinyLlavaVideoPreTrainedModel, FrameFeaturesMixin, VisionLanguageModel):
    """TinyLLaVA-Video without a language modeling head."""

    def __init__(self, config: TinyLlavaVideoConfig):
        super().__init__(config)
        config.validate_architecture()  # fields may have been set one by one since it was made
        self.vision_tower = SiglipVisionModel(config.vision_config)
        self.video_projector = make_resampler(
            config.resampler_type,
            config.vision_config.hidden_size,
            config.text_config.hidden_size,
            num_queries=config.num_queries,
            num_groups=config.num_groups,
            num_layers=config.num_resampler_layers,
        )
        self.language_model = AutoModel.from_config(config.text_config)
        freeze_unread_weights(self)
        self.post_init()

    @merge_with_config_defaults
    @can_return_tuple
    def get_video_features(
        self,
        pixel_values_videos: torch.Tensor | None = None,
        num_frames_per_video: torch.LongTensor | None = None,
        image_features: torch.Tensor | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> VideoFeatures:
        r"""
        Encodes videos. Frames go through the image encoder a few at a time, and a long video through the resampler in parts: beside
        the features, memory does not grow with the number of frames.

        Args:
            pixel_values_videos (`torch.Tensor` of shape `(num_videos, num_frames, 3, height, width)`):
                Normalized frames. Those of videos of different lengths are joined: `(num_all_frames, 3, height, width)`.
            num_frames_per_video (`torch.LongTensor` of shape `(num_videos,)`, *optional*):
                How many frames each video has, where they are joined.
            image_features (`torch.Tensor` of shape `(num_videos, num_frames, num_patches, vision_hidden_size)`, *optional*):
                Instead of pixels: what [`encode_frames`] has made of them before. The image encoder does not see them again.

        Returns:
            [`VideoFeatures`]: `last_hidden_state` has the features of the image encoder, frames of all videos joined,
            `(num_all_frames, num_frame_tokens, vision_hidden_size)`, `pooler_output` the visual tokens for the language model,
            `(num_videos, num_video_tokens, hidden_size)`.

        Raises:
            ValueError: if a shape or dtype does not fit.
        """
        config = self.config
        if image_features is None:
            frames, counts = join_frames(pixel_values_videos, num_frames_per_video, config.vision_config.image_size)
            outputs = encode_frames(self.vision_tower, frames, config.vision_feature_layer, **kwargs)
        else:
            if pixel_values_videos is not None or num_frames_per_video is not None:
                raise ValueError(
                    "`image_features` are what the image encoder has made of `pixel_values_videos`: pass one of them, not both."
                )
            check_image_features(config.vision_config, image_features)
            counts = [image_features.shape[1]] * len(image_features)
            outputs = BaseModelOutput(last_hidden_state=image_features.flatten(0, 1))
        videos = outputs.last_hidden_state.split(counts)  # (F, P, D) each
        return VideoFeatures(
            last_hidden_state=outputs.last_hidden_state,  # (N, P, D)
            pooler_output=torch.stack([self.video_projector(video.flatten(0, 1)) for video in videos]),
            hidden_states=outputs.hidden_states,
            attentions=outputs.attentions,
        )

    @can_return_tuple
    @takes_cache
    def forward(
        self,
        input_ids: torch.LongTensor | None = None,
        pixel_values_videos: torch.Tensor | None = None,
        num_frames_per_video: torch.LongTensor | None = None,
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
                Prompts, with `config.num_video_tokens` placeholders for each video.
            pixel_values_videos, num_frames_per_video (`torch.Tensor`):
                The videos of all prompts, in the order of their placeholders, as [`get_video_features`] takes them.
            inputs_embeds (`torch.Tensor` of shape `(batch_size, sequence_length, hidden_size)`):
                Instead of `input_ids`; placeholders are recognized by their embedding.
            mm_encoder_outputs (`dict[str, BaseModelOutputWithPooling]`):
                What `get_video_features` returned (`"video"`), instead of pixels.

        Raises:
            ValueError: if placeholders and videos do not match, or a shape or dtype does not fit.
        """
        videos = {"pixel_values_videos": pixel_values_videos, "num_frames_per_video": num_frames_per_video}
        return self._run(
            pixels={"video": videos},
            input_ids=input_ids,
            attention_mask=attention_mask,
            position_ids=position_ids,
            cache=cache,
            inputs_embeds=inputs_embeds,
            mm_encoder_outputs=mm_encoder_outputs,
            **kwargs,
        )


class TinyLlavaVideoForConditionalGeneration(
    TinyLlavaVideoPreTrainedModel, FrameFeaturesOfBaseModelMixin, VisionLanguageForConditionalGeneration
):
    """
    TinyLLaVA-Video: answers questions about videos, and about images as videos of one frame. Prompts are made by
    [`TinyLlavaVideoProcessor`].
    """

    base_model_class = TinyLlavaVideoModel

    def get_video_features(self, *args, **kwargs) -> tuple | VideoFeatures:
        """See [`TinyLlavaVideoModel.get_video_features`]."""
        return self.model.get_video_features(*args, **kwargs)

    @can_return_tuple
    @takes_cache
    def forward(
        self,
        input_ids: torch.LongTensor | None = None,
        pixel_values_videos: torch.Tensor | None = None,
        num_frames_per_video: torch.LongTensor | None = None,
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
        Takes what [`TinyLlavaVideoModel.forward`] takes, and

        Args:
            labels (`torch.LongTensor` of shape `(batch_size, sequence_length)`):
                Ids to predict; -100 where the loss does not look.
            logits_to_keep (`int` or `torch.Tensor`, defaults to 0):
                Logits of this many last positions, or of these positions, are computed; 0 means all.
        """
        inputs = {"input_ids": input_ids, "inputs_embeds": inputs_embeds, "mm_encoder_outputs": mm_encoder_outputs}
        inputs |= {"pixel_values_videos": pixel_values_videos, "num_frames_per_video": num_frames_per_video}
        inputs |= {"attention_mask": attention_mask, "position_ids": position_ids}
        return self._run(labels, logits_to_keep, cache, inputs, **kwargs)


__all__ = ["TinyLlavaVideoForConditionalGeneration", "TinyLlavaVideoModel", "TinyLlavaVideoPreTrainedModel"]
