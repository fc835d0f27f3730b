# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Reads GIFs and folders of frames with Pillow: for them no video decoder is needed."""

import os
import re
import struct
from itertools import accumulate

import numpy as np
import torch
from PIL import Image, ImageOps, ImageSequence

from .limits import UntrustedInput
from .sources import VideoSource, resolve_source
from .video_metadata import FrameRequest


IMAGE_SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")

# What Pillow raises for damaged pictures, and for those so large that they must be an attack.
PILLOW_ERRORS = (
    EOFError,
    IndexError,
    OSError,
    SyntaxError,
    ValueError,
    struct.error,
    Image.DecompressionBombError,
)


def read_gif(source: VideoSource, request: FrameRequest) -> None:
    """The frames as they are shown, each on top of those before it; transparent pixels are white."""
    with source.open() as file:
        try:
            image = Image.open(file)
            durations = [_shown_seconds(frame.info.get("duration", 0)) for frame in ImageSequence.Iterator(image)]
        except PILLOW_ERRORS as error:
            raise request.unreadable("it does not open") from error
        times = [0.0, *accumulate(durations)]
        for number in request.choose(len(durations), len(durations) / times[-1], image.height, image.width):
            image.seek(number)
            request.put(number, _picture(image), times[number])


def _shown_seconds(milliseconds: float) -> float:
    """Players show a frame that claims hardly any duration for a tenth of a second."""
    return milliseconds / 1000 if milliseconds > 10 else 0.1


def read_folder(source: VideoSource, request: FrameRequest) -> None:
    """The images of a folder by their names, `frame_2` before `frame_10`. Only those that are wanted are decoded."""
    folder = str(source.content)
    names = sorted(
        (name for name in os.listdir(folder) if name.lower().endswith(IMAGE_SUFFIXES) and not name.startswith(".")),
        key=_natural_order,
    )
    if not names:
        raise ValueError(
            f"The folder {request.name} holds no images. Its frames must be files that end in one of: "
            f"{', '.join(IMAGE_SUFFIXES)}."
        )
    first = _read_image(os.path.join(folder, names[0]))
    for number in request.choose(len(names), None, *first.shape[1:]):
        request.put(number, _read_image(os.path.join(folder, names[number])), None)


def read_picture(path: str | os.PathLike, limits: UntrustedInput) -> torch.Tensor:
    """uint8 RGB of shape `(3, height, width)` of an image at a path or address, upright."""
    source = resolve_source(path)
    with source.open() as file:
        try:
            width, height = Image.open(file).size
        except PILLOW_ERRORS as error:
            raise ValueError(f"The image {source.name} could not be read ({error}). Replace or remove it.") from error
        limits.check_size(f"The image {source.name}", width, height)
        try:
            return _picture(ImageOps.exif_transpose(Image.open(file)))
        except PILLOW_ERRORS as error:
            raise ValueError(f"The image {source.name} could not be read ({error}). Replace or remove it.") from error


def _natural_order(name: str) -> tuple[list[str | int], str]:
    """Sorts the runs of digits in a name as numbers; the odd parts of the split are those runs."""
    parts: list[str | int] = list(re.split(r"([0-9]+)", name.lower()))
    parts[1::2] = [int(digits) for digits in parts[1::2]]
    return parts, name


def _read_image(path: str) -> torch.Tensor:
    try:
        with Image.open(path) as image:
            return _picture(ImageOps.exif_transpose(image))
    except PILLOW_ERRORS as error:
        raise ValueError(f"The frame '{path}' could not be read ({error}). Replace it or remove it.") from error


def _picture(image: Image.Image) -> torch.Tensor:
    """uint8 RGB of shape `(3, height, width)`; transparent pixels are white, as transformers makes them."""
    image = image.convert("RGBA")
    background = Image.new("RGBA", image.size, "white")
    image = Image.alpha_composite(background, image).convert("RGB")
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)
