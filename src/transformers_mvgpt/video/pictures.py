# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Pictures with Pillow: opened within limits, then eight bits of RGB on white."""

import contextlib
import struct
import warnings
from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np
from PIL import Image, ImageOps

from .limits import UntrustedInput, shorten
from .memory_errors import explain_memory_errors
from .sources import VideoSource


# What Pillow raises for damaged pictures.
PILLOW_ERRORS = (
    EOFError,
    IndexError,
    KeyError,
    OSError,
    OverflowError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
)
# Those that run no program (as EPS does) and open no other files. HEIF is there where a plugin brings it.
_FORMATS = ("AVIF", "BMP", "GIF", "HEIF", "ICO", "JPEG", "JPEG2000", "MPO", "PNG", "PPM", "TGA", "TIFF", "WEBP")
# The largest value of a pixel, where it is not 255: the smallest of these that is not exceeded.
_WHITE_LEVELS = {"I": (65_535, 2**31 - 1), "F": (1, 255, 65_535)}
_ROWS_AT_ONCE = 256


class UnusablePicture(ValueError):
    """It is larger than a limit. The message says all."""


def open_picture(file: BinaryIO, title: str, untrusted_input: UntrustedInput) -> Image.Image:
    """
    A picture whose header has been read, but no pixel.

    Args:
        file (`BinaryIO`): its file, which must stay open until the pixels are read.
        title (`str`): begins messages, as in "The image 'a.png'".
        untrusted_input ([`UntrustedInput`]): its limits on width and height.

    Raises:
        UnusablePicture: if it is too large.
        one of `PILLOW_ERRORS`: if it is damaged or no picture.
    """
    Image.init()
    try:
        with warnings.catch_warnings():
            # what follows has its own limit
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(file, formats=[name for name in _FORMATS if name in Image.OPEN])
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise UnusablePicture(
            f"{title} has too many pixels ({str(error).rstrip('.')}); at most {untrusted_input.max_pixels_per_frame:,} are taken. Scale "
            "it down, or raise `max_pixels_per_frame` of `untrusted_input=UntrustedInput(...)` and `PIL.Image.MAX_IMAGE_PIXELS`."
        ) from error
    check_picture_size(image, title, untrusted_input)
    if image.format == "WEBP" and getattr(image, "is_animated", False):
        # Pillow trusts the header, which says that the frames are opaque, not that they cover the canvas
        image.rawmode = image._mode = "RGBA"  # type: ignore[attr-defined]
    return image


def check_picture_size(image: Image.Image, title: str, untrusted_input: UntrustedInput) -> None:
    """
    Raises:
        UnusablePicture: if it is too large. `title` begins the message.
    """
    try:
        untrusted_input.check_size(title, *image.size)
    except ValueError as error:
        raise UnusablePicture(str(error)) from None


def turn_upright(image: Image.Image) -> None:
    """In place, as its EXIF data say."""
    ImageOps.exif_transpose(image, in_place=True)


def to_rgb_array(image: Image.Image) -> np.ndarray:
    """
    uint8 RGB of shape `(height, width, 3)`. Transparent pixels are white, in all modes, and 16 bits of gray become 8.

    Some rows are converted at a time: large pictures are not held several times.
    """
    image.load()
    width, height = image.size
    white_level = None
    if image.mode in _WHITE_LEVELS:
        high: Any = image.getextrema()[1]
        white_level = next((level for level in _WHITE_LEVELS[image.mode] if high <= level), high)
    pixels = np.empty((height, width, 3), dtype=np.uint8)
    for top in range(0, height, _ROWS_AT_ONCE):
        bottom = min(top + _ROWS_AT_ONCE, height)
        rows = image.crop((0, top, width, bottom))
        if white_level is not None or image.mode.startswith("I;16"):
            pixels[top:bottom] = _eight_bits(np.asarray(rows), white_level or 65_535)[..., None]
        elif image.has_transparency_data:
            white = Image.new("RGBA", rows.size, "white")
            pixels[top:bottom] = np.asarray(Image.alpha_composite(white, rows.convert("RGBA")).convert("RGB"))
        else:
            pixels[top:bottom] = np.asarray(rows.convert("RGB"))
    return pixels


def _eight_bits(values: np.ndarray, white_level: Any) -> np.ndarray:
    scaled = np.nan_to_num(values.astype(np.float64)) * (255 / white_level)
    return np.clip(np.round(scaled), 0, 255).astype(np.uint8)


def to_rgb(image: Image.Image) -> Image.Image:
    """The picture itself where it is RGB without transparency, or one as of [`to_rgb_array`]."""
    if image.mode == "RGB" and not image.has_transparency_data:
        return image
    return Image.fromarray(to_rgb_array(image))


def read_picture(source: VideoSource, untrusted_input: UntrustedInput) -> Image.Image:
    """
    An image of [`resolve_image`] as RGB, upright and on white.

    Raises:
        OSError: if the file cannot be opened.
        ValueError: if it is damaged, no image, or larger than a limit or than memory.
    """
    is_video = source.container() == "mp4"
    what = "a video, or an image that Pillow cannot read" if is_video else "damaged, cut short or no image"
    with source.open() as file, explain_memory_errors(lambda: source.title), named_errors(source.title, what):
        picture = open_picture(file, source.title, untrusted_input)
        turn_upright(picture)
        return to_rgb(picture)


@contextlib.contextmanager
def named_errors(title: str, what: str = "damaged, cut short or no image") -> Iterator[None]:
    """Pillow's errors as those of the image that `title` names; `what` it may be."""
    try:
        yield
    except UnusablePicture:
        raise
    except PILLOW_ERRORS as error:
        raise ValueError(
            f"{title} could not be read: {shorten(str(error)).rstrip('.') or type(error).__name__}. It is {what}. "
            "Check that it opens elsewhere."
        ) from error
