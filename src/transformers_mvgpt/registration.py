# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Makes the families known to transformers."""

import functools
from typing import NoReturn

from transformers import (
    AutoConfig,
    AutoImageProcessor,
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    AutoModelForMultimodalLM,
    AutoProcessor,
    AutoTokenizer,
    AutoVideoProcessor,
)
from transformers.pipelines import PIPELINE_REGISTRY

from .conversion import complete_checkpoint
from .conversion.remote_code import RemoteCode
from .families import FAMILIES, Family
from .modeling.missing_encoders import PreTrainedModelWithEncoders
from .processing.pipeline_video_text import VideoTextToTextPipeline


@functools.cache
def register_all() -> None:
    """Registers all families and the pipeline, once in a process, and lets models be completed and saved with their code."""
    PreTrainedModelWithEncoders.complete_checkpoint = staticmethod(complete_checkpoint)
    for family in FAMILIES:
        for part in (family.config_class, *family.own_processor_classes):
            part.remote_code = RemoteCode(family)
        register_family(family)
    register_pipeline()


def register_family(family: Family) -> None:
    """Lets the Auto classes find a family by the `model_type` of its configs, and by those of its parts."""
    config_class = family.config_class
    for known in (config_class, *family.release_config_classes, *family.parts):
        AutoConfig.register(known.model_type, known)
    for part_config_class, part_class in family.parts.items():
        AutoModel.register(part_config_class, part_class)
    AutoModel.register(config_class, family.base_model_class)
    AutoModelForImageTextToText.register(config_class, family.model_class)
    AutoModelForMultimodalLM.register(config_class, family.model_class)
    # by which TRL loads what it is given the name of, such as the reference model of DPO
    AutoModelForCausalLM.register(config_class, family.model_class)
    AutoTokenizer.register(config_class, tokenizer_class=family.tokenizer_class)
    if family.image_processor_classes:
        AutoImageProcessor.register(config_class, image_processor_classes=dict(family.image_processor_classes))
    if family.video_processor_class is not None:
        AutoVideoProcessor.register(config_class, family.video_processor_class)
    AutoProcessor.register(config_class, family.processor_class)


def register_pipeline() -> None:
    """Registers the task `video-text-to-text`."""
    if "video-text-to-text" not in PIPELINE_REGISTRY.get_supported_tasks():
        PIPELINE_REGISTRY.register_pipeline(
            "video-text-to-text",
            pipeline_class=VideoTextToTextPipeline,
            pt_model=AutoModelForImageTextToText,
            default=_NoDefaultModel(model=None),
            type="multimodal",
        )


class _NoDefaultModel(dict):
    """Where transformers looks for the model of a pipeline that was made without one."""

    def __getitem__(self, name: str) -> NoReturn:
        raise ValueError(
            'A model is missing: pass the name of a repository or a folder, as in pipeline("video-text-to-text", '
            'model="Amshaker/Mobile-VideoGPT-0.5B").'
        )
