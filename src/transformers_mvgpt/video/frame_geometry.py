# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""From the pixels that are stored to the picture that players show: turned, mirrored, of square pixels, on white."""

import math
import struct
from dataclasses import dataclass
from fractions import Fraction

import torch
from torch.nn import functional as F


# FFmpeg, too, takes what is off by less for a quarter turn.
MAX_SLANT_DEGREES = 1


@dataclass(frozen=True)
class Orientation:
    """
    One of the eight ways to lay a picture down: rows and columns are exchanged first, if at all, then each is reversed, if at all.
    """

    is_transposed: bool = False
    reverses_rows: bool = False
    reverses_columns: bool = False

    @property
    def is_mirrored(self) -> bool:
        """Whether no rotation does the same."""
        return (self.reverses_rows != self.reverses_columns) != self.is_transposed

    def apply(self, picture: torch.Tensor) -> torch.Tensor:
        """`(3, height, width)`, or `(3, width, height)` if it is transposed."""
        if self.is_transposed:
            picture = picture.transpose(1, 2)
        dims = [dim for dim, is_reversed in ((1, self.reverses_rows), (2, self.reverses_columns)) if is_reversed]
        return picture.flip(dims) if dims else picture


def read_display_matrix(matrix: bytes) -> Orientation:
    """
    The orientation that a display matrix of nine int32 asks for: a stored pixel (x, y) is shown at (a x + c y, b x + d y).

        a b u
        c d v
        x y w

    Raises:
        ValueError: if that is none of the eight; the text says which angle it is.
    """
    a, b, _, c, d, *_ = struct.unpack("=9i", matrix)
    if a == b == c == d == 0:
        return Orientation()  # players ignore what would leave nothing to be seen
    slant = math.tan(math.radians(MAX_SLANT_DEGREES))
    if abs(b) <= slant * abs(a) and abs(c) <= slant * abs(d):
        return Orientation(False, d < 0, a < 0)
    if abs(a) <= slant * abs(b) and abs(d) <= slant * abs(c):
        return Orientation(True, b < 0, c < 0)
    raise ValueError(f"{math.degrees(math.atan2(b, a)):.0f} degrees")


def square_size(width: int, height: int, pixel_aspect_ratio: Fraction) -> tuple[int, int]:
    """Width and height of a picture whose pixels have been made square by widening it, or by heightening where they are tall."""
    if pixel_aspect_ratio >= 1:
        return max(1, round(width * pixel_aspect_ratio)), height
    return width, max(1, round(height / pixel_aspect_ratio))


def make_square(picture: torch.Tensor, pixel_aspect_ratio: Fraction) -> torch.Tensor:
    """A picture, uint8 of shape `(3, height, width)`, with square pixels."""
    _, height, width = picture.shape
    new_width, new_height = square_size(width, height, pixel_aspect_ratio)
    if (new_width, new_height) == (width, height):
        return picture
    return F.interpolate(picture[None], (new_height, new_width), mode="bilinear", align_corners=False)[0]


def lay_on_white(picture: torch.Tensor) -> torch.Tensor:
    """RGB, uint8 of shape `(3, height, width)`, of a picture of shape `(4, height, width)` with transparency."""
    colors, alpha = picture[:3].int(), picture[3:].int()
    return ((colors * alpha + 255 * (255 - alpha) + 127) // 255).to(torch.uint8)
