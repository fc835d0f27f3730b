# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Size and orientation of a picture, by its header: nothing is decoded, and whatever reads its pixels turns it in the same way."""

import struct
from collections.abc import Iterator
from typing import NamedTuple


class PictureHeader(NamedTuple):
    """
    Args:
        width, height (`int`): as it is stored, in pixels; 0 where the header does not say.
        orientation (`int`): EXIF's, from 1 to 8; 1 is upright.
    """

    width: int = 0
    height: int = 0
    orientation: int = 1


# TIFF's tags, which are EXIF's too
_WIDTH, _HEIGHT, _ORIENTATION = 256, 257, 274
# Real pictures have some dozens in front of their pixels, but a PNG may have its pixels in many.
_MAX_PARTS = 100_000
# JPEG's markers that begin a frame: all from C0 to CF but those of tables
_FRAME_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def read_picture_header(data: bytes) -> PictureHeader:
    """Of a JPEG, PNG, WebP, GIF, BMP or TIFF; of anything else, and where it is damaged, what nobody knows."""
    try:
        if data.startswith(b"\xff\xd8"):
            return _jpeg(data)
        if data.startswith(b"\x89PNG"):
            return _png(data)
        if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
            return _webp(data)
        if data.startswith(b"GIF8"):
            return PictureHeader(*struct.unpack_from("<HH", data, 6))
        if data.startswith(b"BM"):
            form = "<HH" if data[14] == 12 else "<ii"
            width, height = struct.unpack_from(form, data, 18)
            return PictureHeader(width, abs(height))
        if data[:4] in (b"II*\0", b"MM\0*"):
            tags = _tags(data)
            return PictureHeader(tags.get(_WIDTH, 0), tags.get(_HEIGHT, 0), _orientation(data))
    except (IndexError, struct.error):
        pass
    return PictureHeader()


def _jpeg(data: bytes) -> PictureHeader:
    position, orientation = 2, 1
    for _ in range(_MAX_PARTS):
        if data[position] != 0xFF:
            break
        marker = data[position + 1]
        if marker == 0xFF:
            position += 1  # a byte that fills up
            continue
        (length,) = struct.unpack_from(">H", data, position + 2)
        if marker in _FRAME_MARKERS:
            height, width = struct.unpack_from(">HH", data, position + 5)
            return PictureHeader(width, height, orientation)
        if marker == 0xE1 and data.startswith(b"Exif\0\0", position + 4):
            orientation = _orientation(data[position + 10 : position + 2 + length])
        position += 2 + length
    return PictureHeader(orientation=orientation)


def _png(data: bytes) -> PictureHeader:
    width, height = struct.unpack_from(">II", data, 16)
    exif = next((content for name, content in _chunks(data, 8, ">I4s", 4) if name == b"eXIf"), b"")
    return PictureHeader(width, height, _orientation(exif))


def _webp(data: bytes) -> PictureHeader:
    width = height = 0
    orientation = 1
    for name, content in _chunks(data, 12, "<4sI", 0):
        if name == b"VP8X":
            width, height = (1 + int.from_bytes(content[at : at + 3], "little") for at in (4, 7))
        elif name == b"VP8 " and not width:
            width, height = (side & 0x3FFF for side in struct.unpack_from("<HH", content, 6))
        elif name == b"VP8L" and not width:
            bits = int.from_bytes(content[1:5], "little")
            width, height = 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
        elif name == b"EXIF":
            orientation = _orientation(content.removeprefix(b"Exif\0\0"))
    return PictureHeader(width, height, orientation)


def _chunks(data: bytes, start: int, header: str, num_check_bytes: int) -> Iterator[tuple[bytes, bytes]]:
    """Name and content of each."""
    for _ in range(_MAX_PARTS):
        if start + 8 > len(data):
            return
        name, size = struct.unpack_from(header, data, start)
        if isinstance(name, int):
            name, size = size, name
        # of pixels nothing but the beginning is needed
        yield name, data[start + 8 : start + 8 + (size if name in (b"eXIf", b"EXIF") else min(size, 16))]
        start += 8 + size + num_check_bytes
        start += start % 2 if header.startswith("<") else 0


def _orientation(tiff: bytes) -> int:
    orientation = _tags(tiff).get(_ORIENTATION, 1)
    return orientation if 1 <= orientation <= 8 else 1


def _tags(tiff: bytes) -> dict[int, int]:
    """The whole numbers in the first directory of a TIFF, or of EXIF data, by their tags."""
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None or len(tiff) < 8:
        return {}
    (start,) = struct.unpack_from(f"{order}I", tiff, 4)
    tags: dict[int, int] = {}
    try:
        (count,) = struct.unpack_from(f"{order}H", tiff, start)
        for number in range(count):
            at = start + 2 + 12 * number
            tag, kind = struct.unpack_from(f"{order}HH", tiff, at)
            form = {3: "H", 4: "I"}.get(kind)
            if form is not None:
                (tags[tag],) = struct.unpack_from(f"{order}{form}", tiff, at + 8)
    except struct.error:
        pass  # what has been read counts
    return tags
