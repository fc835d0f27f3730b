# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Images in any form, read within the same limits as videos."""

from typing import Any

import numpy as np
import torch
from PIL import Image

from ..video.image_sources import resolve_image
from ..video.limits import UntrustedInput
from ..video.memory_errors import explain_memory_errors
from ..video.pictures import check_picture_size, named_errors, read_picture, to_rgb
from .columns import column_to_list, is_lazy_column


def read_images(images: Any, untrusted_input: UntrustedInput | None = None) -> Any:
    """One image, or lists of them in lists, or a column: each as of [`read_image`]."""
    images = list(images) if is_lazy_column(images) else column_to_list(images)
    if isinstance(images, (list, tuple)):
        return [read_images(image, untrusted_input) for image in images]
    return read_image(images, untrusted_input)


def read_image(image: Any, untrusted_input: UntrustedInput | None = None) -> Any:
    """
    Args:
        image:
            A path; an address with `http:`, `https:`, `data:` or `file:`; base64; the bytes of a file; a file opened in binary
            mode; `{"bytes": ..., "path": ...}`, as `datasets` has images; a PIL image; an array or tensor.
        untrusted_input ([`UntrustedInput`], *optional*):
            How much is taken of it, and where it may lead.

    Returns:
        `PIL.Image.Image`, `np.ndarray` or `torch.Tensor`: RGB, upright and on white, of whatever is no array; arrays as they are.

    Raises:
        FileNotFoundError: if there is nothing at the path.
        OSError: if the file cannot be opened or the download fails.
        TypeError: for anything else.
        ValueError: if it is empty, damaged, no image, or larger than a limit or than memory.
    """
    limits = untrusted_input or UntrustedInput()
    if isinstance(image, (np.ndarray, torch.Tensor)):
        _check_array(tuple(image.shape), limits)
        return image
    if isinstance(image, Image.Image):
        title = "The image"
        check_picture_size(image, title, limits)
        with explain_memory_errors(lambda: title), named_errors(title):
            return to_rgb(image)
    return read_picture(resolve_image(image, limits), limits)


def _check_array(shape: tuple[int, ...], limits: UntrustedInput) -> None:
    if len(shape) < 2:
        return  # what it is not, the image processor says
    is_channels_first = len(shape) > 2 and shape[-3] in (1, 3, 4) and shape[-1] not in (1, 3, 4)
    is_channels_last = len(shape) > 2 and not is_channels_first
    height, width = shape[-3:-1] if is_channels_last else shape[-2:]
    limits.check_size(f"The image, an array of shape {shape},", width, height)
