# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Images in all forms, within limits."""

import base64
import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from transformers_mvgpt import UntrustedInput
from transformers_mvgpt.processing.image_inputs import read_image, read_images


PIXELS = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)
PICTURE = Image.fromarray(PIXELS)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    PICTURE.save(tmp_path / "picture.png")
    return tmp_path / "picture.png"


def test_all_forms(path: Path) -> None:
    data = path.read_bytes()
    encoded = base64.b64encode(data).decode()
    for form in (
        *(str(path), path, path.as_uri(), data, bytearray(data), io.BytesIO(data), PICTURE, encoded),
        f"data:image/png;base64,{encoded}",
    ):
        assert np.array_equal(np.asarray(read_image(form)), PIXELS)
    with open(path, "rb") as file:
        assert np.array_equal(np.asarray(read_image(file)), PIXELS)
    assert read_image(PICTURE) is PICTURE and read_image(PIXELS) is PIXELS
    nested = read_images([[path, PICTURE], [data]])
    assert [len(images) for images in nested] == [2, 1]


def test_pictures_are_upright_and_on_white(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    PICTURE.save(tmp_path / "turned.png", exif=exif)
    assert np.array_equal(np.asarray(read_image(tmp_path / "turned.png")), np.rot90(PIXELS, -1))
    clear = Image.new("RGBA", (40, 30), (255, 0, 0, 0))
    clear.save(tmp_path / "clear.png")
    for form in (clear, tmp_path / "clear.png"):
        assert (np.asarray(read_image(form)) == 255).all()


@pytest.mark.parametrize(
    "name, content, error",
    [
        ("a.png", b"\x89PNG\r\n\x1a\n damaged", "a.png' could not be read: .* It is damaged, cut short or no image"),
        ("a.png", b"hello\n", "a.png' could not be read: it is a text"),
        ("a.png", b"<html>", r"a.png' could not be read: it is a web page \(HTML\)"),
        ("a.mkv", b"\x1a\x45\xdf\xa3" + bytes(100), "a.mkv' is a video. Pass it as one, or an image"),
        ("a.eps", b"\xc5\xd0\xd3\xc6" + bytes(100), "a.eps' could not be read"),
        ("a.png", b"", r"The image '.*a.png' is empty \(0 bytes\)"),
    ],
)
def test_what_is_no_image(tmp_path: Path, name: str, content: bytes, error: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=error):
        read_image(tmp_path / name)


def test_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="There is no image at 'gone.png'"):
        read_image("gone.png")
    with pytest.raises(FileNotFoundError, match="There is no image at 'a{80}'"):
        read_image("a" * 80)
    with pytest.raises(ValueError, match="is a folder. Pass the path of an image in it"):
        read_image(tmp_path)
    with pytest.raises(TypeError, match="An image must be a path, .* not int"):
        read_image(3)


def test_limits(path: Path, tmp_path: Path) -> None:
    limits = UntrustedInput(max_pixels_per_frame=1199, media_folder=tmp_path)
    for form in (path, path.read_bytes(), PICTURE, PIXELS, torch.from_numpy(PIXELS).permute(2, 0, 1), PIXELS[..., 0]):
        with pytest.raises(ValueError, match=r"The image.* is 40x30, 1,200 pixels; at most 1,199 are taken"):
            read_image(form, limits)
    with pytest.raises(ValueError, match=r"is 400x1: one side may be at most 100 times the other"):
        read_image(Image.new("RGB", (400, 1)))
    (tmp_path / "inner").mkdir()
    with pytest.raises(ValueError, match="The image '.*picture.png' leads to .*, out of the folder"):
        read_image(path, UntrustedInput(media_folder=tmp_path / "inner"))
    with pytest.raises(
        ValueError, match="The image 'http://127.0.0.1/a.png' leads to 127.0.0.1 .* `allow_private_addresses`"
    ):
        read_image("http://127.0.0.1/a.png")


def test_bombs_of_pillow_are_named(tmp_path: Path) -> None:
    Image.new("1", (20_000, 20_000)).save(tmp_path / "bomb.png")
    with pytest.raises(ValueError, match=r"bomb.png' has too many pixels \(.*\); at most 50,331,648 are taken"):
        read_image(tmp_path / "bomb.png")


def test_no_memory(path: Path, monkeypatch) -> None:
    def fail(self) -> None:
        raise MemoryError

    monkeypatch.setattr(Image.Image, "load", fail)
    with pytest.raises(ValueError, match="picture.png' needs more memory than there is"):
        read_image(path)
