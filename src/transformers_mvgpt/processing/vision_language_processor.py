# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Text, images and videos to model inputs: what the processors of all families do."""

from typing import Any, ClassVar

import numpy as np
from transformers import AutoConfig, AutoTokenizer, PreTrainedConfig
from transformers.processing_utils import MultiModalData, ProcessorMixin

from .center_resize import center_images
from .pipeline_video_text import VideoTextToTextPipeline  # noqa: F401  what is imported here is saved with the processor
from .saved_with_code import SavedWithCode
from .video_inputs import flatten_videos


_HUB_OPTIONS = {"cache_dir", "force_download", "local_files_only", "revision", "subfolder", "token"}


class VisionLanguageProcessor(SavedWithCode, ProcessorMixin):
    r"""
    Makes model inputs from text, images and videos: one placeholder in the text becomes as many as the model makes visual
    tokens of it. Batches are padded on the left, if the tokenizer was not made with another `padding_side`.

    A family names its parts in `__init__`, where transformers looks for them.

    Args:
        parts:
            Image processor, video processor and tokenizer, those that the family has.
        chat_template (`str`):
            Jinja template of a conversation.
        num_tokens (`dict[str, int]`):
            Visual tokens that the model makes of an `"image"` or a `"video"`.

    Raises:
        ValueError: if the tokenizer does not know the placeholders.
    """

    text_kwargs = {"padding_side": "left"}
    # what stands for a visual in the text, by modality
    placeholders: ClassVar[dict[str, str]] = {}
    # which tokenizer has them, for messages
    tokenizer_hint: ClassVar[str] = ""

    def __init__(self, *parts: Any, chat_template: str, num_tokens: dict[str, int]):
        super().__init__(*parts, chat_template=chat_template)
        vocabulary = self.tokenizer.get_vocab()
        for modality, token in self.placeholders.items():
            if token not in vocabulary:
                raise ValueError(
                    f"The tokenizer does not know {token}: {self.tokenizer_hint}, or add the token and set its id in the "
                    "model's config."
                )
            # under the names that transformers reads and saves
            setattr(self, f"{modality}_token", token)
            setattr(self, f"{modality}_token_id", vocabulary[token])
            setattr(self, f"num_{modality}_tokens", num_tokens[modality])

    @classmethod
    def from_config(cls, config: PreTrainedConfig, tokenizer: Any) -> "VisionLanguageProcessor":
        """The processor of a model with this config, for checkpoints that have none."""
        raise NotImplementedError

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path, **kwargs) -> "VisionLanguageProcessor":
        """
        As [`~ProcessorMixin.from_pretrained`]. A published repository, which has a tokenizer but no processor files,
        gives the processor that fits its config.
        """
        processor_dict, _ = cls.get_processor_dict(pretrained_model_name_or_path, **kwargs)
        if processor_dict.keys() - {"chat_template"}:  # a template beside a tokenizer is for text alone
            processor = super().from_pretrained(pretrained_model_name_or_path, **kwargs)
            if "auto_map" in processor_dict:  # which the base class forgets
                processor.auto_map = processor_dict["auto_map"]
            return processor
        hub_options = {name: kwargs[name] for name in _HUB_OPTIONS & kwargs.keys()}
        config = AutoConfig.from_pretrained(pretrained_model_name_or_path, **hub_options)
        tokenizer = AutoTokenizer.from_pretrained(pretrained_model_name_or_path, **{"padding_side": "left", **kwargs})
        return cls.from_config(config, tokenizer)

    def validate_inputs(self, images=None, text=None, videos=None, audio=None, **kwargs):
        known = set(self.valid_processor_kwargs.__annotations__) | {"common_kwargs"}
        for options in self.valid_processor_kwargs.__annotations__.values():
            known |= set(getattr(options, "__annotations__", ()))
        for name in ("image_processor", "video_processor"):
            if (processor := getattr(self, name, None)) is not None:
                known |= set(processor.valid_kwargs.__annotations__)
        if unknown := sorted(set(kwargs) - known):
            raise ValueError(
                f"Unknown option {', '.join(map(repr, unknown))}; the options of {type(self).__name__} are "
                f"{', '.join(sorted(known))}."
            )
        if videos is not None:
            # the base class counts videos in fewer forms than there are: give it as many stand-ins
            videos = [np.zeros((1, 1, 1, 3), dtype=np.uint8)] * len(flatten_videos(videos))
        super().validate_inputs(images=images, text=text, videos=videos, audio=audio, **kwargs)

    def _process_images(self, images: Any, **kwargs) -> tuple[dict[str, Any], list[str]]:
        return super()._process_images(center_images(images, self.image_processor, kwargs), **kwargs)

    def _process_videos(self, videos: Any, **kwargs) -> tuple[dict[str, Any], list[str]]:
        features = self.video_processor(videos, **kwargs)
        replacement = self.replace_video_token(features, 0)
        return features, [replacement] * len(features["pixel_values_videos"])

    def replace_image_token(self, image_inputs: dict, image_idx: int, **kwargs) -> str:
        return self.image_token * self.num_image_tokens

    def replace_video_token(self, video_inputs: dict, video_idx: int, **kwargs) -> str:
        return self.video_token * self.num_video_tokens

    def _get_num_multimodal_tokens(self, image_sizes=None, video_sizes=None, **kwargs) -> MultiModalData:
        """Visual tokens per visual, whatever their sizes."""
        data = {}
        if image_sizes is not None:
            data["num_image_tokens"] = [self.num_image_tokens] * len(image_sizes)
            data["num_image_patches"] = [1] * len(image_sizes)
        if video_sizes is not None:
            data["num_video_tokens"] = [self.num_video_tokens] * len(video_sizes)
        return MultiModalData(**data)


__all__ = ["VisionLanguageProcessor"]
