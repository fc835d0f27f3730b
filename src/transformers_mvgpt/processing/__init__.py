# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Pixels and text: video and image preprocessing, frame sampling, chat template, the pipeline."""

from .image_processing_mobilevlm import MobileVLMImageProcessor
from .pipeline_video_text import VideoTextToTextPipeline
from .processing_mobilevlm import MobileVLMProcessor
from .processing_mvgpt import MobileVideoGPTProcessor
from .video_processing_mvgpt import MobileVideoGPTVideoProcessor


__all__ = [
    "MobileVLMImageProcessor",
    "MobileVLMProcessor",
    "MobileVideoGPTProcessor",
    "MobileVideoGPTVideoProcessor",
    "VideoTextToTextPipeline",
]
