# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Size and orientation by the header, as Pillow tells them."""

import struct
import time
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from transformers_mvgpt.video.picture_headers import PictureHeader, read_picture_header


FORMS = {
    "jpeg": {},
    "progressive": {"format": "jpeg", "progressive": True},
    "png": {},
    "webp": {},
    "lossless": {"format": "webp", "lossless": True},
    "gif": {},
    "bmp": {},
    "tiff": {},
}


def encode(kind: str, orientation: int | None = None) -> bytes:
    options = {"format": kind} | FORMS[kind]
    if orientation is not None:
        exif = Image.Exif()
        exif[0x0112] = orientation
        exif[0x010F] = "the camera's maker"
        options["exif"] = exif
    file = BytesIO()
    Image.fromarray(np.zeros((31, 47, 3), np.uint8)).save(file, **options)
    return file.getvalue()


@pytest.mark.parametrize("kind", FORMS)
def test_size(kind: str) -> None:
    assert read_picture_header(encode(kind)) == PictureHeader(47, 31, 1)


@pytest.mark.parametrize("orientation", [1, 5, 8])
@pytest.mark.parametrize("kind", [kind for kind in FORMS if kind not in ("gif", "bmp")])
def test_orientation(kind: str, orientation: int) -> None:
    assert read_picture_header(encode(kind, orientation)) == PictureHeader(47, 31, orientation)


@pytest.mark.parametrize("order", ["<", ">"])
def test_byte_orders(order: str) -> None:
    mark = {"<": b"II", ">": b"MM"}[order]
    exif = b"Exif\0\0" + mark + struct.pack(f"{order}HIHHHIHHI", 42, 8, 1, 0x0112, 3, 1, 7, 0, 0)
    data = encode("jpeg")
    data = data[:2] + b"\xff\xe1" + struct.pack(">H", 2 + len(exif)) + exif + data[2:]
    assert read_picture_header(data) == PictureHeader(47, 31, 7)


@pytest.mark.parametrize("kind", FORMS)
def test_damage_is_no_error(kind: str) -> None:
    data = encode(kind, 6 if kind not in ("gif", "bmp") else None)
    for length in range(0, min(len(data), 300)):
        read_picture_header(data[:length])
    noise = np.random.default_rng(0)
    for _ in range(200):
        changed = np.frombuffer(data, np.uint8).copy()
        changed[noise.integers(2, min(len(data), 200), 8)] = noise.integers(0, 256, 8)
        header = read_picture_header(changed.tobytes())
        assert 1 <= header.orientation <= 8


@pytest.mark.parametrize("data", [b"\xff\xd8" + b"\xff" * 50_000_000, encode("png")[:33] + bytes(50_000_000)])
def test_endless_headers(data: bytes) -> None:
    start = time.process_time()
    read_picture_header(data)
    assert time.process_time() - start < 1


def test_others() -> None:
    assert read_picture_header(b"P6\n47 31\n255\n") == read_picture_header(b"") == PictureHeader()
