# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Pixels and text: video and image preprocessing, frame sampling, chat template, the pipeline."""

from .answer_tags_tinyllava import answer_of
from .image_processing_mobilevlm import MobileVLMImageProcessor
from .pipeline_video_text import VideoTextToTextPipeline
from .processing_mobilevlm import MobileVLMProcessor
from .processing_mvgpt import MobileVideoGPTProcessor
from .processing_tinyllava import TinyLlavaVideoProcessor
from .video_processing_mvgpt import MobileVideoGPTVideoProcessor
from .video_processing_tinyllava import TinyLlavaVideoVideoProcessor


__all__ = [
    "MobileVLMImageProcessor",
    "MobileVLMProcessor",
    "MobileVideoGPTProcessor",
    "MobileVideoGPTVideoProcessor",
    "VideoTextToTextPipeline",
    "TinyLlavaVideoProcessor",
    "TinyLlavaVideoVideoProcessor",
    "answer_of",
]
