# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
Mobile-VideoGPT (arXiv 2503.21782): a CLIP image encoder, a VideoMamba video encoder and a Qwen2 language model.

Symbols in the shape comments: V videos, F frames, C chunks, k selected frames per chunk, P patches per frame,
I rows per frame and J rows per chunk for the language model, h its width.
"""

from functools import partial

import torch
from torch import nn
from torch.nn import functional as F
from transformers import AutoModel, Cache, CLIPVisionModel, GenerationMixin
from transformers.modeling_outputs import BaseModelOutput, BaseModelOutputWithPooling
from transformers.modeling_utils import slice_logits_to_keep
from transformers.processing_utils import Unpack
from transformers.utils import TransformersKwargs, torch_compilable_check
from transformers.utils.generic import can_return_tuple, merge_with_config_defaults

from ..compat.cache_name import CACHE_NAME, takes_cache
from ..kernels.gates import is_watched
from ..kernels.graphs_model import PreTrainedModelWithCudaGraphs
from ..kernels.language_model import run_language_model
from ..kernels.one_row_linear import one_row_products
from ..kernels.quick_gelu import compile_quick_gelu
from .checkpoint_mapping_mvgpt import register_checkpoint_mappings
from .configuration_mvgpt import MobileVideoGPTConfig
from .frame_scoring_mvgpt import score_frames, select_frames
from .generation_inputs import prepare_generation_inputs
from .missing_encoders import PreTrainedModelWithEncoders, freeze_unread_weights
from .model_inputs import check_both_streams, check_pixels, fill_videos
from .modeling_videomamba import VideoMambaModel
from .outputs_mvgpt import (
    MobileVideoGPTCausalLMOutputWithPast,
    MobileVideoGPTModelOutputWithPast,
    MobileVideoGPTVideoFeatures,
)
from .projector_pooled import MobileVideoGPTProjector


register_checkpoint_mappings()


class MobileVideoGPTPreTrainedModel(PreTrainedModelWithCudaGraphs, PreTrainedModelWithEncoders):
    config: MobileVideoGPTConfig
    base_model_prefix = "model"
    input_modalities = ("video", "image", "text")
    supports_gradient_checkpointing = True
    _skip_keys_device_placement = [CACHE_NAME]
    _supports_flash_attn = True
    _supports_sdpa = True
    _supports_flex_attn = True
    _supports_attention_backend = True
    _can_compile_fullgraph = True

    @classmethod
    def is_custom_code(cls) -> bool:
        # transformers expects of custom code that it initialises weights that were loaded, and in return leaves out
        # modules without weights of their own, such as CLIP's attention. This code uses transformers.initialization.
        return False


class MobileVideoGPTModel(MobileVideoGPTPreTrainedModel):
    """Mobile-VideoGPT without a language modelling head."""

    def __init__(self, config: MobileVideoGPTConfig):
        super().__init__(config)
        config.validate_architecture()  # fields may have been set one by one since it was made
        hidden_size = config.text_config.hidden_size
        self.vision_tower = CLIPVisionModel(config.vision_config)
        compile_quick_gelu(self.vision_tower)
        self.video_tower = VideoMambaModel(config.video_config)
        self.image_projector: nn.Module = MobileVideoGPTProjector(
            config.vision_config.hidden_size, hidden_size, config.image_grid_size
        )
        self.video_projector: nn.Module = MobileVideoGPTProjector(
            config.video_config.hidden_size, hidden_size, config.video_grid_size
        )
        self.language_model = AutoModel.from_config(config.text_config)
        freeze_unread_weights(self)
        self.post_init()

    @merge_with_config_defaults
    @can_return_tuple
    def get_image_features(
        self, pixel_values: torch.Tensor, **kwargs: Unpack[TransformersKwargs]
    ) -> BaseModelOutputWithPooling:
        r"""
        Encodes single images.

        Args:
            pixel_values (`torch.Tensor` of shape `(num_images, 3, height, width)`):
                Normalised images.

        Returns:
            [`~modeling_outputs.BaseModelOutputWithPooling`]: `last_hidden_state` has the features of the image encoder,
            `(num_images, num_patches, vision_hidden_size)`, `pooler_output` the rows for the language model,
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

    @merge_with_config_defaults
    @can_return_tuple
    def get_video_features(
        self,
        pixel_values_videos: torch.Tensor,
        context_pixel_values_videos: torch.Tensor | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> MobileVideoGPTVideoFeatures:
        r"""
        Encodes videos: all frames by the image encoder, the selected ones by the video encoder.

        Args:
            pixel_values_videos (`torch.Tensor` of shape `(num_videos, num_frames, 3, height, width)`):
                Frames as the video encoder wants them. Fewer frames than the config's are followed by zero frames.
            context_pixel_values_videos (`torch.Tensor` of shape `(num_videos, num_frames, 3, height, width)`):
                The same frames as the image encoder wants them.

        Returns:
            [`MobileVideoGPTVideoFeatures`]. With `output_hidden_states` it has the video encoder's hidden states, with
            `output_attentions` the image encoder's attentions.

        Raises:
            ValueError: if the shape or dtype does not fit the config.
        """
        check_both_streams(pixel_values_videos, context_pixel_values_videos)
        frames, context = fill_videos(self.config, pixel_values_videos, context_pixel_values_videos)
        is_recorded = kwargs.get("output_hidden_states") or kwargs.get("output_attentions")
        if (graphs := self.usable_cuda_graphs()) is not None and not is_recorded:
            return MobileVideoGPTVideoFeatures(**graphs.encode_videos(frames, context))
        return self._encode_videos(frames, context, **kwargs)

    def _encode_videos(
        self, frames: torch.Tensor, context: torch.Tensor, **kwargs: Unpack[TransformersKwargs]
    ) -> MobileVideoGPTVideoFeatures:
        """Both streams of whole videos, (V, F, 3, H, W) each."""
        config = self.config
        num_videos, num_frames = context.shape[:2]

        image_outputs = self._encode_images(context.flatten(0, 1), **{**kwargs, "output_hidden_states": False})
        features = image_outputs.last_hidden_state  # (V * F, P, D)
        image_rows = self.image_projector(features).reshape(num_videos, -1, config.text_config.hidden_size)

        scores = score_frames(features.unflatten(0, (num_videos, num_frames)), config.frames_per_chunk)
        selected = self._select(scores)
        videos = torch.arange(num_videos, device=frames.device)[:, None]
        with _gradients_if_wanted(self.video_tower, frames):
            video_outputs = self.video_tower(frames[videos, selected.to(frames.device)], return_dict=True, **kwargs)
        video_rows = self.video_projector(self._pool_patches(video_outputs.last_hidden_state))  # (V * C, J, h)
        video_rows = video_rows.reshape(num_videos, -1, config.text_config.hidden_size)

        return MobileVideoGPTVideoFeatures(
            last_hidden_state=video_outputs.last_hidden_state,
            pooler_output=self._join(image_rows, video_rows),  # (V, F * I + C * J, h)
            hidden_states=video_outputs.hidden_states,
            attentions=image_outputs.attentions,
            frame_scores=scores,
            selected_frames=selected,
        )

    def _encode_images(self, pixel_values: torch.Tensor, **kwargs) -> BaseModelOutput:
        """(n, 3, H, W) -> features (n, P, D) of the configured layer. Layers beyond it run only to be recorded."""
        tower = self.vision_tower
        recorded = {
            name: kwargs.get(name, getattr(tower.config, name))
            for name in ("output_hidden_states", "output_attentions")
        }
        with _gradients_if_wanted(tower, pixel_values):
            if any(recorded.values()):
                outputs = tower(pixel_values, **{**kwargs, "output_hidden_states": True}, return_dict=True)
                hidden_states = outputs.hidden_states[self.config.vision_feature_layer]
                all_hidden_states = outputs.hidden_states if recorded["output_hidden_states"] else None
                attentions = outputs.attentions if recorded["output_attentions"] else None
            else:
                all_hidden_states = attentions = None
                hidden_states = tower.pre_layrnorm(tower.embeddings(pixel_values))
                for layer in tower.encoder.layers[: self.config.num_vision_layers]:
                    hidden_states = layer(hidden_states, None)
        return BaseModelOutput(
            last_hidden_state=hidden_states[:, 1:],  # without the class token
            hidden_states=all_hidden_states,
            attentions=attentions,
        )

    def _select(self, frame_scores: torch.Tensor) -> torch.Tensor:
        """(V, F) -> (V, C * k): which frames go on to the video encoder."""
        config = self.config
        return select_frames(
            frame_scores, config.frames_per_chunk, config.num_selected_frames, config.select_most_attended
        )

    def _join(self, image_rows: torch.Tensor, video_rows: torch.Tensor) -> torch.Tensor:
        """The rows of videos from their image and video streams, (V, F * I, h) and (V, C * J, h)."""
        return torch.cat([image_rows, video_rows.to(image_rows.device)], dim=1)

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

    def _scatter(
        self,
        modality: str,
        rows: torch.Tensor | list[torch.Tensor] | None,
        placeholders: torch.Tensor,
        inputs_embeds: torch.Tensor,
    ) -> torch.Tensor:
        """Puts the rows of all images or videos in the place of their placeholders (B, L)."""
        if rows is None:
            num_rows, rows = 0, inputs_embeds.new_zeros(0)
        else:
            rows = torch.cat(list(rows)).to(inputs_embeds.device, inputs_embeds.dtype)
            num_rows = rows.shape[0]
        num_placeholders = placeholders.sum()
        torch_compilable_check(
            num_placeholders == num_rows,
            lambda: (
                f"The prompt has {int(num_placeholders)} {modality} placeholders, but the {modality}s given make "
                f"{num_rows} rows: {self._rows_per(modality)} are needed for each {modality}."
            ),
        )
        if num_rows == 0:
            return inputs_embeds
        return inputs_embeds.masked_scatter(placeholders[..., None], rows)

    def _rows_per(self, modality: str) -> int:
        return self.config.num_image_tokens if modality == "image" else self.config.num_video_tokens

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
        last_row_only: bool = False,
        **kwargs: Unpack[TransformersKwargs],
    ) -> MobileVideoGPTModelOutputWithPast:
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
                Instead of `input_ids`; placeholders are recognised by their embedding.
            mm_encoder_outputs (`dict[str, BaseModelOutputWithPooling]`):
                What `get_image_features` (`"image"`) and `get_video_features` (`"video"`) returned, instead of pixels.
            last_row_only (`bool`, defaults to `False`):
                See [`run_language_model`].

        Raises:
            ValueError: if placeholders and visuals do not match, or a shape or dtype does not fit the config.
        """
        if (input_ids is None) == (inputs_embeds is None):
            raise ValueError("You must specify exactly one of `input_ids` and `inputs_embeds`.")
        encoded = self._encode_visuals(
            mm_encoder_outputs or {}, pixel_values, pixel_values_videos, context_pixel_values_videos
        )
        rows = {modality: output.pooler_output for modality, output in encoded.items()}

        placeholders = {}
        if rows or self._may_hold_unknown_placeholders(input_ids):
            placeholders = {
                "image": self._placeholders(self.config.image_token_id, input_ids, inputs_embeds),
                "video": self._placeholders(self.config.video_token_id, input_ids, inputs_embeds),
            }
        if inputs_embeds is None:
            inputs_embeds = self._look_up(input_ids, has_visuals=bool(placeholders))
        for modality, mask in placeholders.items():
            inputs_embeds = self._scatter(modality, rows.get(modality), mask, inputs_embeds)

        graphs = self.usable_cuda_graphs()
        run = graphs.language_model if graphs else partial(run_language_model, self.language_model, last_row_only)
        outputs = run(
            attention_mask=attention_mask,
            position_ids=position_ids,
            inputs_embeds=inputs_embeds,
            **{CACHE_NAME: cache},
            **kwargs,
        )
        video_outputs = encoded.get("video")
        return MobileVideoGPTModelOutputWithPast(
            **outputs,
            image_hidden_states=rows.get("image"),
            video_hidden_states=rows.get("video"),
            frame_scores=getattr(video_outputs, "frame_scores", None),
            selected_frames=getattr(video_outputs, "selected_frames", None),
            image_outputs=encoded.get("image"),
            video_outputs=video_outputs,
        )

    def _look_up(self, input_ids: torch.Tensor, has_visuals: bool) -> torch.Tensor:
        """Embeddings (B, L, h) of all tokens but placeholders, whose ids may lie outside the vocabulary."""
        for token_id in (self.config.image_token_id, self.config.video_token_id):
            if has_visuals or token_id >= self.config.text_config.vocab_size:
                input_ids = input_ids.masked_fill(input_ids == token_id, 0)
        return self.get_input_embeddings()(input_ids)

    def _encode_visuals(
        self,
        given: dict[str, BaseModelOutputWithPooling],
        pixel_values: torch.Tensor | None,
        pixel_values_videos: torch.Tensor | None,
        context_pixel_values_videos: torch.Tensor | None,
    ) -> dict[str, BaseModelOutputWithPooling]:
        """The encoded images and videos, by modality: those given, and those that come as pixels."""
        encoded = {modality: output for modality, output in given.items() if output is not None}
        has_videos = pixel_values_videos is not None or context_pixel_values_videos is not None
        for modality, has_pixels in (("image", pixel_values is not None), ("video", has_videos)):
            if has_pixels and modality in encoded:
                raise ValueError(
                    f"You cannot pass both pixels and `mm_encoder_outputs` for the modality {modality!r}."
                )
        if pixel_values is not None:
            encoded["image"] = self.get_image_features(pixel_values, return_dict=True)
        if has_videos:
            encoded["video"] = self.get_video_features(
                pixel_values_videos, context_pixel_values_videos, return_dict=True
            )
        return encoded

    def _may_hold_unknown_placeholders(self, input_ids: torch.Tensor | None) -> bool:
        """
        Without visuals, a placeholder inside the vocabulary is a token like any other, as in transformers' own models.
        One outside has no embedding. A step too short for a visual does not bring one: generated tokens, or guesses that
        prompt lookup copies from the prompt.
        """
        last_id = max(self.config.image_token_id, self.config.video_token_id)
        shortest = max(2, self.config.num_image_tokens)
        return (
            input_ids is not None and last_id >= self.config.text_config.vocab_size and input_ids.shape[1] >= shortest
        )

    def _placeholders(
        self, token_id: int, input_ids: torch.Tensor | None, inputs_embeds: torch.Tensor | None
    ) -> torch.Tensor:
        """Where a placeholder stands, (B, L)."""
        if input_ids is not None:
            return input_ids == token_id
        if token_id >= self.config.text_config.vocab_size:  # it has no embedding that could be recognised
            return torch.zeros(inputs_embeds.shape[:2], dtype=torch.bool, device=inputs_embeds.device)
        token = torch.full((), token_id, dtype=torch.long, device=inputs_embeds.device)
        return (inputs_embeds == self.get_input_embeddings()(token)).all(-1)


def _gradients_if_wanted(encoder: nn.Module, pixels: torch.Tensor) -> torch.set_grad_enabled:
    """Gradient checkpointing makes the embeddings of a frozen encoder require gradients, which nothing wants."""
    is_wanted = pixels.requires_grad or any(parameter.requires_grad for parameter in encoder.parameters())
    return torch.set_grad_enabled(torch.is_grad_enabled() and is_wanted)


class MobileVideoGPTForConditionalGeneration(MobileVideoGPTPreTrainedModel, GenerationMixin):
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

    _tied_weights_keys = {"lm_head.weight": "model.language_model.embed_tokens.weight"}
    _tp_plan = {"lm_head": "colwise_gather_output"}

    def __init__(self, config: MobileVideoGPTConfig):
        super().__init__(config)
        self.model = MobileVideoGPTModel(config)
        self.lm_head = nn.Linear(config.text_config.hidden_size, config.text_config.vocab_size, bias=False)
        self.post_init()

    def get_output_embeddings(self) -> nn.Module:
        return self.lm_head

    def get_image_features(
        self, pixel_values: torch.Tensor, **kwargs: Unpack[TransformersKwargs]
    ) -> tuple | BaseModelOutputWithPooling:
        """See [`MobileVideoGPTModel.get_image_features`]."""
        return self.model.get_image_features(pixel_values, **kwargs)

    def get_video_features(
        self,
        pixel_values_videos: torch.Tensor,
        context_pixel_values_videos: torch.Tensor | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> tuple | MobileVideoGPTVideoFeatures:
        """See [`MobileVideoGPTModel.get_video_features`]."""
        return self.model.get_video_features(pixel_values_videos, context_pixel_values_videos, **kwargs)

    def generate(self, inputs: torch.Tensor | None = None, *args, **kwargs):
        """
        As [`~GenerationMixin.generate`]. In a later turn, with the `cache` of the one before, the visuals may be those
        of the whole conversation: those in the cache are not encoded again.

        Raises:
            ValueError: if the prompt is longer than the language model's context. It is said before anything is encoded.
        """
        kwargs = prepare_generation_inputs(self.config, kwargs.get("input_ids", inputs), kwargs)
        return super().generate(inputs, *args, **kwargs)

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
        **kwargs: Unpack[TransformersKwargs],
    ) -> MobileVideoGPTCausalLMOutputWithPast:
        r"""
        Takes what [`MobileVideoGPTModel.forward`] takes, and

        Args:
            labels (`torch.LongTensor` of shape `(batch_size, sequence_length)`):
                Ids to predict; -100 where the loss does not look.
            logits_to_keep (`int` or `torch.Tensor`, defaults to 0):
                Logits of this many last positions, or of these positions, are computed; 0 means all.
        """
        outputs = self.model(
            input_ids=input_ids,
            pixel_values=pixel_values,
            pixel_values_videos=pixel_values_videos,
            context_pixel_values_videos=context_pixel_values_videos,
            attention_mask=attention_mask,
            position_ids=position_ids,
            inputs_embeds=inputs_embeds,
            mm_encoder_outputs=mm_encoder_outputs,
            last_row_only=isinstance(logits_to_keep, int) and logits_to_keep == 1 and not is_watched(self.model),
            return_dict=True,
            **{CACHE_NAME: cache},
            **kwargs,
        )
        rows = slice_logits_to_keep(outputs.last_hidden_state, logits_to_keep)
        with one_row_products(rows):
            logits = self.lm_head(rows)
        loss = None
        if labels is not None:
            loss = self.loss_function(
                logits=logits, labels=labels, vocab_size=self.config.text_config.vocab_size, **kwargs
            )
        others = {name: value for name, value in outputs.items() if name != "last_hidden_state"}
        return MobileVideoGPTCausalLMOutputWithPast(loss=loss, logits=logits, **others)


__all__ = [
    "MobileVideoGPTForConditionalGeneration",
    "MobileVideoGPTModel",
    "MobileVideoGPTPreTrainedModel",
]
