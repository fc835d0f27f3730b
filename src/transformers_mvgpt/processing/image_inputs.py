# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Images in any form, read within the same limits as videos."""

import contextlib
import os
import re
from io import BytesIO
from typing import Any

import numpy as np
import torch
from PIL import Image

from ..video.containers import recognize_container
from ..video.limits import UntrustedInput, shorten
from ..video.memory_errors import explain_memory_errors
from ..video.pictures import (
    PILLOW_ERRORS,
    UnusablePicture,
    check_picture_size,
    open_picture,
    to_rgb,
    turn_upright,
)
from ..video.sources import VideoSource, decode_base64, resolve_source
from .columns import column_to_list, is_lazy_column


_BASE64 = re.compile(r"[A-Za-z0-9+/_\-\s]{64,}={0,2}\s*")


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
        with explain_memory_errors(lambda: title), _named_errors(title):
            return to_rgb(image)
    source = _of_base64(image, limits) or resolve_source(image, limits, "image")
    if source.is_folder:
        raise ValueError(f"{source.title} is a folder. Pass the path of an image in it.")
    container = source.container()
    if container not in ("picture", "mp4", "unknown"):  # AVIF and HEIF are kinds of MP4
        raise ValueError(f"{source.title} is a video. Pass it as one, or an image.")
    what = "a video, or an image that Pillow cannot read" if container == "mp4" else "damaged, cut short or no image"
    with source.open() as file, explain_memory_errors(lambda: source.title), _named_errors(source.title, what):
        picture = open_picture(file, source.title, limits)
        turn_upright(picture)
        return to_rgb(picture)


@contextlib.contextmanager
def _named_errors(title: str, what: str = "damaged, cut short or no image") -> Any:
    try:
        yield
    except UnusablePicture:
        raise
    except PILLOW_ERRORS as error:
        raise ValueError(
            f"{title} could not be read: {shorten(str(error)).rstrip('.') or type(error).__name__}. It is {what}. "
            "Check that it opens elsewhere."
        ) from error


def _of_base64(image: Any, limits: UntrustedInput) -> VideoSource | None:
    """The source where a string is not a path or address, but the image itself."""
    if not isinstance(image, str) or len(image) < 64 or not _BASE64.fullmatch(image):
        return None
    if len(image) * 0.75 > limits.max_download_bytes:
        return None  # and no path is as long
    try:
        data = decode_base64(image.encode(), "It")
        is_picture = recognize_container(BytesIO(data)).name in ("picture", "mp4")
    except ValueError:
        return None
    is_file = len(image) < 4096 and os.path.lexists(image)
    return VideoSource(f"'{shorten(image)}'", data, "image") if is_picture and not is_file else None


def _check_array(shape: tuple[int, ...], limits: UntrustedInput) -> None:
    if len(shape) < 2:
        return  # what it is not, the image processor says
    is_channels_first = len(shape) > 2 and shape[-3] in (1, 3, 4) and shape[-1] not in (1, 3, 4)
    is_channels_last = len(shape) > 2 and not is_channels_first
    height, width = shape[-3:-1] if is_channels_last else shape[-2:]
    limits.check_size(f"The image, an array of shape {shape},", width, height)
