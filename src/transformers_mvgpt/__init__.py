# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Mobile-VideoGPT for Hugging Face transformers. Importing the package registers its classes with transformers."""

from transformers import (
    AutoConfig,
    AutoImageProcessor,
    AutoModel,
    AutoModelForImageTextToText,
    AutoModelForMultimodalLM,
    AutoProcessor,
    AutoTokenizer,
    AutoVideoProcessor,
    CLIPImageProcessor,
    Qwen2Tokenizer,
)
from transformers.models.clip import CLIPImageProcessorPil
from transformers.pipelines import PIPELINE_REGISTRY

from .chat import VideoChat, load_video_features, save_video_features
from .conversion import complete_checkpoint, remote_code
from .modeling import (
    MobileVideoGPTConfig,
    MobileVideoGPTForConditionalGeneration,
    MobileVideoGPTModel,
    VideoMambaConfig,
    VideoMambaModel,
)
from .modeling.configuration_mvgpt import MobileVideoGPTReleaseConfig
from .modeling.missing_encoders import PreTrainedModelWithEncoders
from .processing import MobileVideoGPTProcessor, MobileVideoGPTVideoProcessor, VideoTextToTextPipeline


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
MobileVideoGPTConfig.remote_code = remote_code
MobileVideoGPTProcessor.remote_code = MobileVideoGPTVideoProcessor.remote_code = remote_code

AutoConfig.register(MobileVideoGPTConfig.model_type, MobileVideoGPTConfig)
AutoConfig.register(MobileVideoGPTReleaseConfig.model_type, MobileVideoGPTReleaseConfig)
AutoConfig.register(VideoMambaConfig.model_type, VideoMambaConfig)
AutoModel.register(VideoMambaConfig, VideoMambaModel)
AutoModel.register(MobileVideoGPTConfig, MobileVideoGPTModel)
AutoModelForImageTextToText.register(MobileVideoGPTConfig, MobileVideoGPTForConditionalGeneration)
AutoModelForMultimodalLM.register(MobileVideoGPTConfig, MobileVideoGPTForConditionalGeneration)
AutoTokenizer.register(MobileVideoGPTConfig, tokenizer_class=Qwen2Tokenizer)
AutoImageProcessor.register(
    MobileVideoGPTConfig,
    image_processor_classes={"torchvision": CLIPImageProcessor, "pil": CLIPImageProcessorPil},
)
AutoVideoProcessor.register(MobileVideoGPTConfig, MobileVideoGPTVideoProcessor)
AutoProcessor.register(MobileVideoGPTConfig, MobileVideoGPTProcessor)
if "video-text-to-text" not in PIPELINE_REGISTRY.get_supported_tasks():
    PIPELINE_REGISTRY.register_pipeline(
        "video-text-to-text",
        pipeline_class=VideoTextToTextPipeline,
        pt_model=AutoModelForImageTextToText,
        type="multimodal",
    )
