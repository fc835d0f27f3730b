# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The stages of each family's training: one record each. Recipes are checked against them before torch is loaded."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Stage:
    """
    A stage of a family's training.

    Args:
        name (`str`):
            What a recipe calls it.
        learns (`tuple[str, ...]`):
            The modules of the base model that learn. `"language_model"` learns with its head, or through LoRA, as the recipe says.
        text (`str`, defaults to `"chat"`):
            `"chat"` is the chat template, of which the assistant's words and their end are learned. `"caption"` is one visual and,
            right behind it, its caption and a newline, which are learned.
        visuals (`tuple[str, ...]`):
            What samples have: `"image"`, `"video"`, or either of them. Without it they may have anything.
        images_as_video (`bool`, defaults to `False`):
            Images go through Mobile-VideoGPT's video encoder ([`encode_images_as_video`]).
    """

    name: str
    learns: tuple[str, ...]
    text: Literal["chat", "caption"] = "chat"
    visuals: tuple[Literal["image", "video"], ...] = ()
    images_as_video: bool = False

    @property
    def trains_language_model(self) -> bool:
        return "language_model" in self.learns


# arXiv 2503.21782
MOBILE_VIDEOGPT = (
    Stage("video_projector", ("video_projector",), visuals=("image",), images_as_video=True),
    Stage("image_projector", ("image_projector",), visuals=("image",)),
    Stage("instruction", ("image_projector", "video_projector", "language_model")),
)
# arXiv 2312.16886 begins with the first, 2402.03766 (V2) with the second
MOBILEVLM = (
    Stage("image_projector", ("image_projector",), text="caption", visuals=("image",)),
    Stage("pretraining", ("image_projector", "language_model"), text="caption", visuals=("image",)),
    Stage("instruction", ("image_projector", "language_model")),
)
# arXiv 2501.15513
TINYLLAVA_VIDEO = (
    Stage("video_projector", ("video_projector",), text="caption", visuals=("video", "image")),
    Stage("instruction", ("video_projector", "language_model")),
)

_ALL = (*MOBILE_VIDEOGPT, *MOBILEVLM, *TINYLLAVA_VIDEO)
STAGE_NAMES = tuple(dict.fromkeys(stage.name for stage in _ALL))
LANGUAGE_MODEL_STAGE_NAMES = tuple(dict.fromkeys(stage.name for stage in _ALL if stage.trains_language_model))
