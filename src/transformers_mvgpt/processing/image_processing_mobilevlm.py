# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Images padded to a square, and then as CLIP takes them."""

from typing import Any

import torch
from transformers import LlavaImageProcessor
from transformers.models.llava import LlavaImageProcessorPil

from .saved_with_code import SavedWithCode
from .square_padding import padding_color


class MobileVLMImageProcessor(SavedWithCode, LlavaImageProcessor):
    r"""
    Makes `pixel_values` of shape `(num_images, 3, height, width)` and dtype float32: pads an image to a square with the mean color,
    `floor(255 * image_mean)`, the image in the middle; resizes it to `size`; scales it and normalizes it with CLIP's `image_mean`
    and `image_std`. `do_pad=False` crops the center of the image instead, as CLIP does.

    Example:

    ```python
    >>> from PIL import Image
    >>> from transformers_mvgpt import MobileVLMImageProcessor

    >>> processor = MobileVLMImageProcessor()
    >>> processor(Image.open("photo.jpg"), return_tensors="pt")["pixel_values"].shape
    torch.Size([1, 3, 336, 336])
    ```"""

    size = {"shortest_edge": 336}
    crop_size = {"height": 336, "width": 336}
    do_pad = True

    def pad_to_square(self, images: torch.Tensor, background_color: Any = 0) -> torch.Tensor:
        return super().pad_to_square(images, padding_color(images, background_color))


class MobileVLMImageProcessorPil(SavedWithCode, LlavaImageProcessorPil):
    """[`MobileVLMImageProcessor`] on Pillow and NumPy."""

    size = {"shortest_edge": 336}
    crop_size = {"height": 336, "width": 336}
    do_pad = True

    def pad_to_square(self, image: Any, background_color: Any = 0) -> Any:
        return super().pad_to_square(image, padding_color(image, background_color))


__all__ = ["MobileVLMImageProcessor", "MobileVLMImageProcessorPil"]
