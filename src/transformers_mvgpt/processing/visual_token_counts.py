# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""How many visual tokens a prompt will have, for servers that plan with it."""

from transformers.processing_utils import MultiModalData, ProcessorMixin


class CountsVisualTokens(ProcessorMixin):
    """What a processor knows of its visual tokens without the visuals. Each visual makes as many, whatever its size."""

    def _get_num_multimodal_tokens(self, image_sizes=None, video_sizes=None, **kwargs) -> MultiModalData:
        """Visual tokens per visual, whatever their sizes."""
        data = {}
        if image_sizes is not None:
            data["num_image_tokens"] = [self.num_image_tokens] * len(image_sizes)
            data["num_image_patches"] = [1] * len(image_sizes)
        if video_sizes is not None:
            data["num_video_tokens"] = [self.num_video_tokens] * len(video_sizes)
        return MultiModalData(**data)


__all__ = ["CountsVisualTokens"]
