# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Pixels and text: video and image preprocessing, frame sampling, chat template, the pipeline."""

from typing import TYPE_CHECKING

from ..lazy_names import lazy_names


if TYPE_CHECKING:
    from .answer_tags_tinyllava import answer_of
    from .image_processing_mobilevlm import MobileVLMImageProcessor
    from .pipeline_video_text import VideoTextToTextPipeline
    from .processing_mobilevlm import MobileVLMProcessor
    from .processing_mvgpt import MobileVideoGPTProcessor
    from .processing_tinyllava import TinyLlavaVideoProcessor
    from .video_processing_mvgpt import MobileVideoGPTVideoProcessor
    from .video_processing_tinyllava import TinyLlavaVideoVideoProcessor
else:
    # some modules of this room need no torch, and are imported where there is none
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "MobileVLMImageProcessor": ".image_processing_mobilevlm",
            "MobileVLMProcessor": ".processing_mobilevlm",
            "MobileVideoGPTProcessor": ".processing_mvgpt",
            "MobileVideoGPTVideoProcessor": ".video_processing_mvgpt",
            "TinyLlavaVideoProcessor": ".processing_tinyllava",
            "TinyLlavaVideoVideoProcessor": ".video_processing_tinyllava",
            "VideoTextToTextPipeline": ".pipeline_video_text",
            "answer_of": ".answer_tags_tinyllava",
        },
    )


__all__ = [
    "MobileVLMImageProcessor",
    "MobileVLMProcessor",
    "MobileVideoGPTProcessor",
    "MobileVideoGPTVideoProcessor",
    "TinyLlavaVideoProcessor",
    "TinyLlavaVideoVideoProcessor",
    "VideoTextToTextPipeline",
    "answer_of",
]
