# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""A processor of small pixels and few visual tokens."""

from typing import Any

from transformers import CLIPImageProcessor

from release_layout import make_tokenizer
from transformers_mvgpt import MobileVideoGPTProcessor, MobileVideoGPTVideoProcessor


def tiny_processor(tokenizer: Any = None) -> MobileVideoGPTProcessor:
    """Two frames of 8 pixels; an image is 3 tokens, a video 5."""
    sizes: dict[str, Any] = {"size": {"shortest_edge": 8}, "crop_size": {"height": 8, "width": 8}}
    return MobileVideoGPTProcessor(
        CLIPImageProcessor(**sizes),
        MobileVideoGPTVideoProcessor(num_frames=2, **sizes),
        make_tokenizer() if tokenizer is None else tokenizer,
        num_image_tokens=3,
        num_video_tokens=5,
    )
