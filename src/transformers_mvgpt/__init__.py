# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Small video-language models for Hugging Face transformers. Importing the package registers its classes with transformers."""

from .chat import VideoChat, load_video_features, save_video_features
from .conversion import complete_checkpoint, remote_code
from .families import FAMILIES
from .modeling import (
    MobileVideoGPTConfig,
    MobileVideoGPTForConditionalGeneration,
    MobileVideoGPTModel,
    VideoMambaConfig,
    VideoMambaModel,
)
from .modeling.missing_encoders import PreTrainedModelWithEncoders
from .processing import MobileVideoGPTProcessor, MobileVideoGPTVideoProcessor, VideoTextToTextPipeline
from .registration import register_family, register_pipeline


__version__ = "0.1.0.dev0"

__all__ = [
    "MobileVideoGPTConfig",
    "MobileVideoGPTForConditionalGeneration",
    "MobileVideoGPTModel",
    "MobileVideoGPTProcessor",
    "MobileVideoGPTVideoProcessor",
    "VideoChat",
    "VideoMambaConfig",
    "VideoMambaModel",
    "VideoTextToTextPipeline",
    "load_video_features",
    "save_video_features",
]

PreTrainedModelWithEncoders.complete_checkpoint = staticmethod(complete_checkpoint)
for family in FAMILIES:
    for part in (family.config_class, family.processor_class, family.video_processor_class):
        if part is not None:
            part.remote_code = remote_code
    register_family(family)
register_pipeline()
