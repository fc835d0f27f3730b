# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The two halves of encoding a visual: reading it, which needs no model, and the model's encoders."""

from typing import Any

import torch
from transformers import BatchFeature, PreTrainedModel
from transformers.image_utils import is_valid_image
from transformers.modeling_outputs import BaseModelOutputWithPooling

from ..processing.video_inputs import flatten_videos, is_single_video
from ..processing.vision_language_processor import VisionLanguageProcessor


def is_image_for(processor: VisionLanguageProcessor, visual: Any) -> bool:
    """
    Whether one visual is an image, or images, for this processor: with a model that takes images alone, whatever is given; with
    one that makes a video of one frame of an image, a single one.
    """
    if "video" not in processor.placeholders:
        return True
    is_one = is_valid_image(visual) and getattr(visual, "ndim", 3) == 3 and not is_single_video(visual)
    return "image" not in processor.placeholders and is_one


def read_visual(
    processor: VisionLanguageProcessor, visual: Any, is_image: bool = False, **processor_kwargs: Any
) -> tuple[str, BatchFeature]:
    """
    Args:
        processor ([`VisionLanguageProcessor`]): The processor.
        visual: One video, or with `is_image` one image or list of images, in any form that the processor takes.
        is_image (`bool`, defaults to `False`): Which of both it is. A model that takes videos alone makes a video of one frame of it.
        processor_kwargs: Options of the processor.

    Returns:
        As what the model takes it, `"image"` or `"video"`, and the processor's features.

    Raises:
        ValueError, OSError: if it cannot be read, or an option does not fit.
    """
    modality = "image" if is_image and "image" in processor.placeholders else "video"
    if not is_image and not is_single_video(visual) and (number := len(flatten_videos([visual]))) != 1:
        raise ValueError(
            f"A `VideoChat` is about one video, got {number} videos: make one for each of them. Pictures that are the frames of one video "
            "are a folder, or a list of paths in a list, [['1.png', '2.png']], with `do_sample_frames=False`."
        )
    features = processor(
        text=processor.placeholders[modality],
        **{"images" if is_image else "videos": [visual]},
        **{**processor_kwargs, "return_tensors": "pt"},
    )
    return modality, features


@torch.no_grad()
def encode_visual(
    model: PreTrainedModel, modality: str, features: BatchFeature, frame_selection: str | None = None
) -> BaseModelOutputWithPooling:
    """What `get_image_features` or `get_video_features` makes of what [`read_visual`] returned."""
    names = [name for name in model.pixel_inputs[modality] if name in features]
    pixels = BatchFeature({name: features[name] for name in names}).to(model.device, model.dtype)
    encode = getattr(model, f"get_{modality}_features")
    options = {} if frame_selection is None else {"frame_selection": frame_selection}
    return encode(**{name: pixels[name] for name in names}, **options, return_dict=True)
