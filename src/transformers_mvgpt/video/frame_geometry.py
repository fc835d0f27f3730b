# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""From the pixels that are stored to the picture that players show: turned, mirrored, of square pixels, on white."""

import math
import struct
from dataclasses import dataclass
from fractions import Fraction

import numpy as np


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

    def apply(self, picture: np.ndarray) -> np.ndarray:
        """`(3, height, width)`, or `(3, width, height)` if it is transposed: a view."""
        if self.is_transposed:
            picture = picture.transpose(0, 2, 1)
        rows, columns = (slice(None, None, -1 if flag else 1) for flag in (self.reverses_rows, self.reverses_columns))
        return picture[:, rows, columns]


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


def make_square(picture: np.ndarray, pixel_aspect_ratio: Fraction) -> np.ndarray:
    """
    A picture, uint8 of shape `(3, height, width)`, with square pixels: bilinear, as torch's `interpolate` without `align_corners`, from
    which it differs by one at most.
    """
    _, height, width = picture.shape
    new_width, new_height = square_size(width, height, pixel_aspect_ratio)
    if new_width != width:
        return _stretch(picture, 2, new_width)
    return _stretch(picture, 1, new_height) if new_height != height else picture


def _stretch(picture: np.ndarray, axis: int, new_size: int) -> np.ndarray:
    size = picture.shape[axis]
    positions = np.clip((np.arange(new_size) + 0.5) * (size / new_size) - 0.5, 0, size - 1)
    before = positions.astype(np.intp)
    share = np.round((positions - before) * 256).astype(np.uint16)
    share = share if axis == 2 else share[:, None]
    after = np.minimum(before + 1, size - 1)
    # at most 255 * 256 + 128, which 16 bits hold
    mixed = picture.take(before, axis) * (256 - share)
    mixed += picture.take(after, axis) * share
    mixed += 128
    mixed >>= 8
    return mixed.astype(np.uint8)


def lay_on_white(picture: np.ndarray) -> np.ndarray:
    """RGB, uint8 of shape `(3, height, width)`, of a picture of shape `(4, height, width)` with transparency."""
    # at most 255 * 255 + 127, which 16 bits hold; the order in memory stays
    colors, alpha = picture[:3].astype(np.uint16), picture[3:].astype(np.uint16)
    colors *= alpha
    colors += 255 * (255 - alpha) + 127
    colors //= 255
    return colors.astype(np.uint8)
