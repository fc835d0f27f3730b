# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The families of models: one record each, and the only list to extend for a new one."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from transformers import (
    CLIPImageProcessor,
    LlamaTokenizer,
    PreTrainedConfig,
    PreTrainedModel,
    ProcessorMixin,
    Qwen2Tokenizer,
)
from transformers.models.clip import CLIPImageProcessorPil
from transformers.video_processing_utils import BaseVideoProcessor

from . import published_models
from .modeling.configuration_mobilevlm import MobileVLMConfig
from .modeling.configuration_mvgpt import MobileVideoGPTConfig, MobileVideoGPTReleaseConfig
from .modeling.configuration_tinyllava import TinyLlavaVideoConfig, TinyLlavaVideoReleaseConfig
from .modeling.configuration_videomamba import VideoMambaConfig
from .modeling.missing_encoders import Encoder
from .modeling.modeling_mobilevlm import MobileVLMForConditionalGeneration, MobileVLMModel
from .modeling.modeling_mvgpt import MobileVideoGPTForConditionalGeneration, MobileVideoGPTModel
from .modeling.modeling_tinyllava import TinyLlavaVideoForConditionalGeneration, TinyLlavaVideoModel
from .modeling.modeling_videomamba import VideoMambaModel
from .modeling.vision_language_model import VisionLanguageForConditionalGeneration, VisionLanguageModel
from .processing.image_processing_mobilevlm import MobileVLMImageProcessor, MobileVLMImageProcessorPil
from .processing.processing_mobilevlm import MobileVLMProcessor
from .processing.processing_mvgpt import MobileVideoGPTProcessor
from .processing.processing_tinyllava import TinyLlavaVideoProcessor
from .processing.video_processing_mvgpt import MobileVideoGPTVideoProcessor
from .processing.video_processing_tinyllava import TinyLlavaVideoVideoProcessor
from .published_models import PublishedModels
from .training.stage_records import MOBILE_VIDEOGPT, MOBILEVLM, TINYLLAVA_VIDEO, Stage


@dataclass(frozen=True)
class Family:
    """
    What the package knows of a family of models.

    Args:
        name (`str`):
            What texts call it.
        config_class (`type[PreTrainedConfig]`), base_model_class, model_class (`type[PreTrainedModel]`):
            Its configuration, its model without and with a language modeling head.
        processor_class (`type[ProcessorMixin]`), video_processor_class (`type[BaseVideoProcessor]`, *optional*):
            Its processors.
        image_processor_classes (`Mapping[str, type]`):
            Those of images, by backend.
        tokenizer_class (`type`):
            The tokenizer that its published checkpoints have.
        release_config_classes (`tuple[type[PreTrainedConfig], ...]`):
            They stand for the `model_type` of published checkpoints; reading one gives a `config_class`.
        language_model_types (`tuple[str, ...]`):
            `model_type` of the language models that may be in it.
        parts (`Mapping[type[PreTrainedConfig], type[PreTrainedModel]]`):
            Models of ours that are parts of it and can also be loaded alone.
        stages (`tuple[Stage, ...]`):
            The stages of its training, the first one first.
        paper (`str`):
            Its number at arXiv.
        summary (`str`):
            How it works, as sentences for a model card; `{config.num_frames}` stands for a field of its config.
        tags (`tuple[str, ...]`):
            What it is found by on the Hub.
        published ([`PublishedModels`]):
            Its published checkpoints.
        sampling (`str`, *optional*):
            Which frames of a video it sees, as a part of a sentence for a model card.
        release_folders (`Mapping[str, str]`):
            Folders of modules that its training may leave instead of one checkpoint, and what stands before the names of their
            weights in a checkpoint of the release.
    """

    name: str
    config_class: type[PreTrainedConfig]
    base_model_class: type[VisionLanguageModel]
    model_class: type[VisionLanguageForConditionalGeneration]
    processor_class: type[ProcessorMixin]
    video_processor_class: type[BaseVideoProcessor] | None
    image_processor_classes: Mapping[str, type]
    tokenizer_class: type
    release_config_classes: tuple[type[PreTrainedConfig], ...]
    language_model_types: tuple[str, ...]
    parts: Mapping[type[PreTrainedConfig], type[PreTrainedModel]]
    stages: tuple[Stage, ...]
    paper: str
    summary: str
    tags: tuple[str, ...]
    published: PublishedModels
    sampling: str = ""
    release_folders: Mapping[str, str] = field(default_factory=dict)

    @property
    def model_type(self) -> str:
        return self.config_class.model_type

    @property
    def model_types(self) -> tuple[str, ...]:
        """Its own `model_type`, and those of its published checkpoints."""
        return self.model_type, *(config_class.model_type for config_class in self.release_config_classes)

    @property
    def own_processor_classes(self) -> tuple[Any, ...]:
        """Those of its processors that are not transformers'."""
        classes = (self.processor_class, self.video_processor_class, *self.image_processor_classes.values())
        package = __name__.partition(".")[0]
        return tuple(known for known in classes if known and known.__module__.partition(".")[0] == package)

    @property
    def task(self) -> str:
        """The task of its pipeline, by the Hub's name for it."""
        return "image-text-to-text" if self.video_processor_class is None else "video-text-to-text"

    @property
    def encoders(self) -> dict[str, Encoder]:
        """Its encoders by modality, `"image"` or `"video"`: what a published checkpoint may lack."""
        return self.model_class.encoders

    @property
    def projectors(self) -> tuple[str, ...]:
        """Names of the base model's modules that bring encoded visuals to the language model."""
        return self.model_class.projectors


FAMILIES = (
    Family(
        name="Mobile-VideoGPT",
        config_class=MobileVideoGPTConfig,
        base_model_class=MobileVideoGPTModel,
        model_class=MobileVideoGPTForConditionalGeneration,
        processor_class=MobileVideoGPTProcessor,
        video_processor_class=MobileVideoGPTVideoProcessor,
        image_processor_classes={"torchvision": CLIPImageProcessor, "pil": CLIPImageProcessorPil},
        tokenizer_class=Qwen2Tokenizer,
        release_config_classes=(MobileVideoGPTReleaseConfig,),
        language_model_types=("qwen2",),
        parts={VideoMambaConfig: VideoMambaModel},
        stages=MOBILE_VIDEOGPT,
        paper="2503.21782",
        summary="CLIP sees {config.num_frames} frames of a video; the {config.video_config.num_frames} of them that draw the "
        "most attention go through\nVideoMamba too.",
        tags=("mobile-videogpt", "videomamba"),
        published=published_models.MOBILE_VIDEOGPT,
        sampling="about one per second, spread evenly over a longer video, closer together in a shorter one",
    ),
    Family(
        name="MobileVLM",
        config_class=MobileVLMConfig,
        base_model_class=MobileVLMModel,
        model_class=MobileVLMForConditionalGeneration,
        processor_class=MobileVLMProcessor,
        video_processor_class=None,
        image_processor_classes={"torchvision": MobileVLMImageProcessor, "pil": MobileVLMImageProcessorPil},
        tokenizer_class=LlamaTokenizer,
        release_config_classes=(),
        language_model_types=("llama",),
        parts={},
        stages=MOBILEVLM,
        paper="2402.03766",
        summary="CLIP sees an image, of which the language model gets {config.num_image_tokens} tokens.",
        tags=("mobilevlm",),
        published=published_models.MOBILEVLM,
    ),
    Family(
        name="TinyLLaVA-Video",
        config_class=TinyLlavaVideoConfig,
        base_model_class=TinyLlavaVideoModel,
        model_class=TinyLlavaVideoForConditionalGeneration,
        processor_class=TinyLlavaVideoProcessor,
        video_processor_class=TinyLlavaVideoVideoProcessor,
        image_processor_classes={},
        tokenizer_class=Qwen2Tokenizer,
        release_config_classes=(TinyLlavaVideoReleaseConfig,),
        language_model_types=("qwen2", "phi"),
        parts={},
        stages=TINYLLAVA_VIDEO,
        paper="2501.15513",
        summary="SigLIP sees the frames of a video; a {config.resampler_type} resampler makes {config.num_queries} visual tokens of "
        "all of them\ntogether, however many there are.",
        tags=("tinyllava-video",),
        published=published_models.TINYLLAVA_VIDEO,
        sampling="evenly spread over the video",
        release_folders={
            "language_model": "language_model.",
            "vision_tower": "vision_tower._vision_tower.",
            "connector": "connector._connector.",
        },
    ),
)


def family_of(config: PreTrainedConfig | str) -> Family:
    """
    The family of a config or of a `model_type`.

    Raises:
        ValueError: if it is of none of them.
    """
    model_type = config if isinstance(config, str) else config.model_type
    for family in FAMILIES:
        if model_type in family.model_types:
            return family
    known = ", ".join(repr(name) for family in FAMILIES for name in family.model_types)
    raise ValueError(f"{model_type!r} is none of the model types of this package: {known}.")
