# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""How long each frame of an animated picture (GIF, WebP, APNG) is shown, learned without decoding any."""

import os
import struct
from collections.abc import Callable, Iterator
from typing import BinaryIO


# Pillow has to draw all frames before a wanted one.
MAX_FRAMES = 20_000


class TooManyFrames(ValueError):
    """More than `MAX_FRAMES`."""


def shown_seconds(file: BinaryIO, kind: str) -> list[float]:
    """
    One entry per frame of the animation.

    Args:
        file (`BinaryIO`): the picture, at its start.
        kind (`str`): Pillow's name of its format.

    Returns:
        `list[float]`: seconds; empty for a WebP or PNG that is not animated.

    Raises:
        EOFError: if the file ends within a frame.
        TooManyFrames: if there are too many.
        struct.error: if it is damaged.
    """
    durations: list[float] = []
    for seconds in _READERS[kind](file):
        # players show a frame that claims hardly any duration for a tenth of a second
        durations.append(seconds if seconds > 0.01 else 0.1)
        if len(durations) > MAX_FRAMES:
            raise TooManyFrames
    return durations


def _gif(file: BinaryIO) -> Iterator[float]:
    _exactly(file, _num_color_bytes(_exactly(file, 13)[10]))
    seconds = 0.0
    while (mark := file.read(1)) and mark != b";":
        if mark == b"!":
            label = _exactly(file, 1)
            first = _exactly(file, _exactly(file, 1)[0])
            if label == b"\xf9":
                seconds = struct.unpack_from("<H", first, 1)[0] / 100
            if first:
                _skip_gif_blocks(file)
        elif mark == b",":
            _exactly(file, _num_color_bytes(_exactly(file, 9)[8]) + 1)
            _skip_gif_blocks(file)
            yield seconds
            seconds = 0.0


def _num_color_bytes(flags: int) -> int:
    """Of the table of colors that follows."""
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _skip_gif_blocks(file: BinaryIO) -> None:
    while size := _exactly(file, 1)[0]:
        _exactly(file, size)


def _webp(file: BinaryIO) -> Iterator[float]:
    for name, start in _chunks(file, 12, "<4sI", lambda size: size + size % 2):
        if name == b"ANMF":
            file.seek(start + 12)
            yield int.from_bytes(_exactly(file, 3), "little") / 1000


def _png(file: BinaryIO) -> Iterator[float]:
    for name, start in _chunks(file, 8, ">I4s", lambda size: size + 4):
        if name == b"fcTL":
            file.seek(start + 20)
            numerator, denominator = struct.unpack(">HH", _exactly(file, 4))
            yield numerator / (denominator or 100)
        elif name == b"IEND":
            return


def _chunks(file: BinaryIO, start: int, header: str, length: Callable[[int], int]) -> Iterator[tuple[bytes, int]]:
    """Name of each, and where its content begins."""
    end = file.seek(0, os.SEEK_END)
    while start + 8 <= end:
        file.seek(start)
        name, size = struct.unpack(header, _exactly(file, 8))
        if isinstance(name, int):
            name, size = size, name
        if start + 8 + size > end:
            raise EOFError("cut short")
        yield name, start + 8
        start += 8 + length(size)


def _exactly(file: BinaryIO, size: int) -> bytes:
    data = file.read(size)
    if len(data) < size:
        raise EOFError("cut short")
    return data


_READERS: dict[str, Callable[[BinaryIO], Iterator[float]]] = {"GIF": _gif, "WEBP": _webp, "PNG": _png}
ANIMATED_FORMATS = tuple(_READERS)
