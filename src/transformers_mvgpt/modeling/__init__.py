# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Tensors: configurations, encoders, frame scoring, projectors and the model. Reads no files, knows no text."""

from .configuration_mobilevlm import MobileVLMConfig
from .configuration_mvgpt import MobileVideoGPTConfig
from .configuration_tinyllava import TinyLlavaVideoConfig
from .configuration_videomamba import VideoMambaConfig
from .modeling_mobilevlm import MobileVLMForConditionalGeneration, MobileVLMModel
from .modeling_mvgpt import MobileVideoGPTForConditionalGeneration, MobileVideoGPTModel
from .modeling_tinyllava import TinyLlavaVideoForConditionalGeneration, TinyLlavaVideoModel
from .modeling_videomamba import VideoMambaModel


__all__ = [
    "MobileVLMConfig",
    "MobileVLMForConditionalGeneration",
    "MobileVLMModel",
    "MobileVideoGPTConfig",
    "MobileVideoGPTForConditionalGeneration",
    "MobileVideoGPTModel",
    "TinyLlavaVideoConfig",
    "TinyLlavaVideoForConditionalGeneration",
    "TinyLlavaVideoModel",
    "VideoMambaConfig",
    "VideoMambaModel",
]
