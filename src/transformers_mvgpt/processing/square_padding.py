# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Padding to a square, in bounded memory: of 70,000 x 700 pixels, the square would have 4.9 billion."""

from collections.abc import Mapping
from typing import Any

import torch
from PIL import Image
from torchvision.transforms.v2 import functional as tvF
from transformers.image_utils import PILImageResampling
from transformers.image_utils import pil_torch_interpolation_mapping as INTERPOLATIONS


# Larger squares are not made as a whole. Photographs of 50 megapixels at 2:1 are below.
MAX_PIXELS = 100_000_000


def padding_color(image: Any, color: Any) -> tuple[float, ...]:
    """The color for an image, `(..., channels, height, width)`, in its own scale and with as many channels as it has."""
    num_channels = image.shape[-3]
    values = [color] if isinstance(color, int) else list(color)
    if len(values) != num_channels:
        values = [sum(values) // len(values)] * num_channels
    is_scaled = "float" in str(image.dtype) and image.max() <= 1
    return tuple(value / 255 for value in values) if is_scaled else tuple(values)


def shrink_large_squares(images: list[Any], image_processor: Any, options: Mapping[str, Any]) -> list[Any]:
    """
    The images, and instead of those that would be padded to a very large square the square as it is after resizing, which the image
    processor changes no more.

    Args:
        images: PIL images, arrays or tensors.
        image_processor (`MobileVLMImageProcessor`): what gets the images.
        options: of the call.
    """
    names = ("do_resize", "do_pad", "size", "resample", "image_mean")
    chosen = {name: options.get(name, getattr(image_processor, name, None)) for name in names}
    if not (chosen["do_resize"] and chosen["do_pad"]) or options.get("input_data_format") is not None:
        return images
    return [_shrink(image, image_processor, **chosen) if _side(image) ** 2 > MAX_PIXELS else image for image in images]


def resize_square(
    picture: torch.Tensor, size: tuple[int, int], color: tuple[float, ...], resample: PILImageResampling | int
) -> torch.Tensor:
    """
    A picture padded to a square and resized with antialias, with the same pixels as in these two steps.

    Args:
        picture (`torch.Tensor`): of shape `(channels, height, width)`.
        size (`tuple[int, int]`): height and width to resize to.
        color (`tuple[float, ...]`): of the padding, by channel.
        resample (`PILImageResampling`): bilinear or bicubic.
    """
    height, width = picture.shape[-2:]
    side = max(height, width)
    top, left = (side - height) // 2, (side - width) // 2
    interpolation = INTERPOLATIONS[PILImageResampling(resample)]
    fill = torch.tensor(color, dtype=picture.dtype)[:, None, None]

    def padded(content: torch.Tensor, num_rows: int, num_columns: int, first: tuple[int, int]) -> torch.Tensor:
        canvas = fill.expand(-1, num_rows, num_columns).clone()
        canvas[:, first[0] : first[0] + content.shape[1], first[1] : first[1] + content.shape[2]] = content
        return canvas

    # as for a whole picture, columns come before rows, and are rounded between
    bands = []
    for band in picture.split(max(1, MAX_PIXELS // 8 // side), dim=1):
        num_rows = band.shape[1]
        wide = padded(band, num_rows, side, (0, left))
        bands.append(tvF.resize(wide, [num_rows, size[1]], interpolation=interpolation, antialias=True))
    columns = padded(torch.cat(bands, dim=1), side, size[1], (top, 0))
    return tvF.resize(columns, list(size), interpolation=interpolation, antialias=True)


def _shrink(image: Any, image_processor: Any, size: Any, resample: Any, image_mean: Any, **_: Any) -> Any:
    picture = torch.as_tensor(image_processor.process_image(image, do_convert_rgb=True))
    size = image_processor._standardize_kwargs(size=size)["size"]
    edges = (size.height or size.shortest_edge, size.width or size.shortest_edge)
    color = padding_color(picture, [int(mean * 255) for mean in image_mean])
    square = resize_square(picture, edges, color, resample)
    return square.numpy() if image_processor.backend == "pil" else square


def _side(image: Any) -> int:
    sides = image.size if isinstance(image, Image.Image) else tuple(getattr(image, "shape", ()))
    return max(sides, default=0)
