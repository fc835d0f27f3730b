# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
Mobile-VideoGPT (arXiv 2503.21782): a CLIP image encoder, a VideoMamba video encoder and a Qwen2 language model.

Symbols in the shape comments: V videos, F frames, C chunks, k selected frames per chunk, P patches per frame,
I visual tokens per frame and J per chunk for the language model, h its width.
"""

from typing import Any

import torch
from torch import nn
from torch.nn import functional as F
from transformers import AutoModel, Cache, CLIPVisionModel
from transformers.modeling_outputs import BaseModelOutput, BaseModelOutputWithPooling
from transformers.processing_utils import Unpack
from transformers.utils import TransformersKwargs
from transformers.utils.generic import can_return_tuple, merge_with_config_defaults

from ..compat.cache_name import takes_cache
from ..kernels.dispatch import encode_videos, use_quick_gelu
from .checkpoint_mapping_mvgpt import register_checkpoint_mappings
from .configuration_mvgpt import PUBLISHED_ENCODERS, MobileVideoGPTConfig
from .frame_encoding import FrameFeaturesMixin, FrameFeaturesOfBaseModelMixin
from .frame_scoring_mvgpt import score_frames, select_frames
from .image_features import ImageFeaturesMixin, ImageFeaturesOfBaseModelMixin, gradients_if_wanted
from .missing_encoders import Encoder, freeze_unread_weights
from .model_inputs import check_both_streams, fill_encoded_videos, fill_videos
from .modeling_videomamba import VideoMambaModel
from .outputs import VideoFeatures, VisionLanguageCausalLMOutputWithPast, VisionLanguageModelOutputWithPast
from .projector_pooled import PooledProjector
from .vision_language_model import (
    VisionLanguageForConditionalGeneration,
    VisionLanguageModel,
    VisionLanguagePreTrainedModel,
)


register_checkpoint_mappings()


class MobileVideoGPTPreTrainedModel(VisionLanguagePreTrainedModel):
    config: MobileVideoGPTConfig
    input_modalities = ("video", "image", "text")
    pixel_inputs = {"image": ("pixel_values",), "video": ("pixel_values_videos", "context_pixel_values_videos")}
    video_options = ("frame_selection",)
    _no_split_modules = ["PooledProjector"]
    projectors = ("image_projector", "video_projector")
    encoders = {
        "image": Encoder(
            module="vision_tower",
            config_field="vision_config",
            source_field="image_mm_vision_tower",
            published_source=PUBLISHED_ENCODERS["image_mm_vision_tower"],
            example="a Hub id or folder of a CLIP model, such as openai/clip-vit-base-patch16",
            follows_paths=True,
        ),
        "video": Encoder(
            module="video_tower",
            config_field="video_config",
            source_field="mm_vision_tower",
            published_source=PUBLISHED_ENCODERS["mm_vision_tower"],
            example="a Hub id, folder or .pth file of VideoMamba, such as OpenGVLab/VideoMamba",
            follows_paths=True,
        ),
    }


class MobileVideoGPTModel(MobileVideoGPTPreTrainedModel, ImageFeaturesMixin, FrameFeaturesMixin, VisionLanguageModel):
    """Mobile-VideoGPT without a language modeling head."""

    def __init__(self, config: MobileVideoGPTConfig):
        super().__init__(config)
        config.validate_architecture()  # fields may have been set one by one since it was made
        hidden_size = config.text_config.hidden_size
        self.vision_tower = CLIPVisionModel(config.vision_config)
        use_quick_gelu(self.vision_tower)
        self.video_tower = VideoMambaModel(config.video_config)
        self.image_projector: nn.Module = PooledProjector(
            config.vision_config.hidden_size, hidden_size, config.image_grid_size
        )
        self.video_projector: nn.Module = PooledProjector(
            config.video_config.hidden_size, hidden_size, config.video_grid_size
        )
        self.language_model = AutoModel.from_config(config.text_config)
        freeze_unread_weights(self)
        self.post_init()

    @merge_with_config_defaults
    @can_return_tuple
    def get_video_features(
        self,
        pixel_values_videos: torch.Tensor,
        context_pixel_values_videos: torch.Tensor | None = None,
        image_features: torch.Tensor | None = None,
        frame_selection: str | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> VideoFeatures:
        r"""
        Encodes videos: all frames by the image encoder, the selected ones by the video encoder.

        Args:
            pixel_values_videos (`torch.Tensor` of shape `(num_videos, num_frames, 3, height, width)`):
                Frames as the video encoder wants them. Fewer frames than the config's are followed by zero frames.
            context_pixel_values_videos (`torch.Tensor` of shape `(num_videos, num_frames, 3, height, width)`):
                The same frames as the image encoder wants them.
            image_features (`torch.Tensor` of shape `(num_videos, num_frames, num_patches, vision_hidden_size)`, *optional*):
                Instead of `context_pixel_values_videos`: what [`encode_frames`] has made of them before. The image encoder does not
                see them again.
            frame_selection (`str`, *optional*):
                How the frames that go on to the video encoder are chosen, as in [`MobileVideoGPTConfig`]: `"scores"`, `"uniform"` or
                `"rarest"`. By default as the config says.

        Returns:
            [`VideoFeatures`]. With `output_hidden_states` it has the hidden states of both encoders, with `output_attentions`
            the image encoder's attentions; the video encoder has none.

        Raises:
            ValueError: if the shape or dtype does not fit the config, or there is no such frame selection.
        """
        if image_features is None:
            check_both_streams(pixel_values_videos, context_pixel_values_videos)
            frames, context = fill_videos(self.config, pixel_values_videos, context_pixel_values_videos)
        else:
            frames, context = fill_encoded_videos(
                self.config, pixel_values_videos, context_pixel_values_videos, image_features, self.encode_frames
            )
        if self.config.resolve_frame_selection(frame_selection) != self.config.resolve_frame_selection():
            kwargs["frame_selection"] = frame_selection  # which recordings do not know
        return VideoFeatures(**encode_videos(self, frames, context, plain=self._encode_videos, **kwargs))

    def _encode_videos(
        self,
        frames: torch.Tensor,
        context: torch.Tensor,
        frame_selection: str | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> VideoFeatures:
        """Both streams of whole videos, (V, F, 3, H, W) each; of the second its features instead, (V, F, P, D), where they are there."""
        config = self.config
        num_videos, num_frames = context.shape[:2]

        if context.ndim == 4:
            image_outputs = BaseModelOutput(last_hidden_state=context.flatten(0, 1))
        else:
            image_outputs = self._encode_images(context.flatten(0, 1), **kwargs)
        features = image_outputs.last_hidden_state  # (V * F, P, D)
        image_tokens = self.image_projector(features).reshape(num_videos, -1, config.text_config.hidden_size)

        scores = score_frames(features.unflatten(0, (num_videos, num_frames)), config.frames_per_chunk)
        selected = self._select(scores, frame_selection)
        videos = torch.arange(num_videos, device=frames.device)[:, None]
        with gradients_if_wanted(self.video_tower, frames):
            video_outputs = self.video_tower(frames[videos, selected.to(frames.device)], return_dict=True, **kwargs)
        video_tokens = self.video_projector(self._pool_patches(video_outputs.last_hidden_state))  # (V * C, J, h)
        video_tokens = video_tokens.reshape(num_videos, -1, config.text_config.hidden_size)

        return VideoFeatures(
            last_hidden_state=video_outputs.last_hidden_state,
            pooler_output=self._join(image_tokens, video_tokens),  # (V, F * I + C * J, h)
            hidden_states=video_outputs.hidden_states,
            attentions=image_outputs.attentions,
            context_hidden_states=image_outputs.hidden_states,
            frame_scores=scores,
            selected_frames=selected,
        )

    def _select(self, frame_scores: torch.Tensor, frame_selection: str | None = None) -> torch.Tensor:
        """(V, F) -> (V, C * k): which frames go on to the video encoder."""
        config = self.config
        frame_selection = config.resolve_frame_selection(frame_selection)
        return select_frames(frame_scores, config.frames_per_chunk, config.num_selected_frames, frame_selection)

    def _join(self, image_tokens: torch.Tensor, video_tokens: torch.Tensor) -> torch.Tensor:
        """The visual tokens of videos from their image and video streams, (V, F * I, h) and (V, C * J, h)."""
        return torch.cat([image_tokens, video_tokens.to(image_tokens.device)], dim=1)

    def _pool_patches(self, video_features: torch.Tensor) -> torch.Tensor:
        """
        (V, 1 + C * k * P, D) -> (V * C, k * grid², D): each frame is pooled to a smaller grid. The projector reads the
        patches of the k frames of a chunk as one square grid, in the order in which they stand here.
        """
        config = self.config
        side, width = config.video_config.patch_grid_size, config.video_config.hidden_size
        patches = (
            video_features[:, 1:].reshape(-1, side, side, width).permute(0, 3, 1, 2)
        )  # (V * C * k, D, side, side)
        pooled = F.adaptive_avg_pool2d(patches, config.video_grid_size).flatten(2).transpose(1, 2)
        return pooled.reshape(-1, config.num_selected_frames * config.video_grid_size**2, width)

    @can_return_tuple
    @takes_cache
    def forward(
        self,
        input_ids: torch.LongTensor | None = None,
        pixel_values: torch.Tensor | None = None,
        pixel_values_videos: torch.Tensor | None = None,
        context_pixel_values_videos: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.LongTensor | None = None,
        cache: Cache | None = None,
        inputs_embeds: torch.Tensor | None = None,
        mm_encoder_outputs: dict[str, BaseModelOutputWithPooling] | None = None,
        frame_selection: str | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> VisionLanguageModelOutputWithPast:
        r"""
        Args:
            input_ids (`torch.LongTensor` of shape `(batch_size, sequence_length)`):
                Prompts, with `config.num_image_tokens` placeholders for each image and `config.num_video_tokens` for
                each video.
            pixel_values (`torch.Tensor` of shape `(num_images, 3, height, width)`):
                The images of all prompts, in the order of their placeholders.
            pixel_values_videos, context_pixel_values_videos (`torch.Tensor` of shape `(num_videos, num_frames, 3, height, width)`):
                The videos of all prompts, in the order of their placeholders: the same frames for the video and for
                the image encoder.
            inputs_embeds (`torch.Tensor` of shape `(batch_size, sequence_length, hidden_size)`):
                Instead of `input_ids`; placeholders are recognized by their embedding.
            mm_encoder_outputs (`dict[str, BaseModelOutputWithPooling]`):
                What `get_image_features` (`"image"`) and `get_video_features` (`"video"`) returned, instead of pixels.
            frame_selection (`str`, *optional*):
                See [`get_video_features`]: for the videos that come as pixels.

        Raises:
            ValueError: if placeholders and visuals do not match, or a shape or dtype does not fit the config.
        """
        return self._run(
            pixels={
                "image": {"pixel_values": pixel_values},
                "video": {
                    "pixel_values_videos": pixel_values_videos,
                    "context_pixel_values_videos": context_pixel_values_videos,
                },
            },
            input_ids=input_ids,
            inputs_embeds=inputs_embeds,
            mm_encoder_outputs=mm_encoder_outputs,
            cache=cache,
            attention_mask=attention_mask,
            position_ids=position_ids,
            video_options=None if frame_selection is None else {"frame_selection": frame_selection},
            **kwargs,
        )


class MobileVideoGPTForConditionalGeneration(
    MobileVideoGPTPreTrainedModel,
    ImageFeaturesOfBaseModelMixin,
    FrameFeaturesOfBaseModelMixin,
    VisionLanguageForConditionalGeneration,
):
    """
    Mobile-VideoGPT: answers questions about videos and images.

    Example:

    ```python
    >>> from transformers import AutoProcessor
    >>> from transformers_mvgpt import MobileVideoGPTForConditionalGeneration

    >>> model = MobileVideoGPTForConditionalGeneration.from_pretrained("Amshaker/Mobile-VideoGPT-0.5B")
    >>> processor = AutoProcessor.from_pretrained("Amshaker/Mobile-VideoGPT-0.5B")
    >>> content = [{"type": "video", "path": "clip.mp4"}, {"type": "text", "text": "What is happening?"}]
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

    base_model_class = MobileVideoGPTModel

    def get_video_features(
        self,
        pixel_values_videos: torch.Tensor,
        context_pixel_values_videos: torch.Tensor | None = None,
        image_features: torch.Tensor | None = None,
        frame_selection: str | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> tuple | VideoFeatures:
        """See [`MobileVideoGPTModel.get_video_features`]."""
        return self.model.get_video_features(
            pixel_values_videos,
            context_pixel_values_videos,
            image_features=image_features,
            frame_selection=frame_selection,
            **kwargs,
        )

    def _check_pixel_inputs(self, inputs: dict[str, Any]) -> None:
        # transformers encodes by `pixel_values_videos` and would drop the other stream alone
        check_both_streams(inputs.get("pixel_values_videos"), inputs.get("context_pixel_values_videos"))

    @can_return_tuple
    @takes_cache
    def forward(
        self,
        input_ids: torch.LongTensor | None = None,
        pixel_values: torch.Tensor | None = None,
        pixel_values_videos: torch.Tensor | None = None,
        context_pixel_values_videos: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.LongTensor | None = None,
        cache: Cache | None = None,
        inputs_embeds: torch.Tensor | None = None,
        labels: torch.LongTensor | None = None,
        logits_to_keep: int | torch.Tensor = 0,
        mm_encoder_outputs: dict[str, BaseModelOutputWithPooling] | None = None,
        frame_selection: str | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> VisionLanguageCausalLMOutputWithPast:
        r"""
        Takes what [`MobileVideoGPTModel.forward`] takes, and

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
                "pixel_values_videos": pixel_values_videos,
                "context_pixel_values_videos": context_pixel_values_videos,
                "attention_mask": attention_mask,
                "position_ids": position_ids,
                "inputs_embeds": inputs_embeds,
                "mm_encoder_outputs": mm_encoder_outputs,
                "frame_selection": frame_selection,
            },
            **kwargs,
        )


__all__ = [
    "MobileVideoGPTForConditionalGeneration",
    "MobileVideoGPTModel",
    "MobileVideoGPTPreTrainedModel",
]
