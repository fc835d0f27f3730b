# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from transformers import CLIPImageProcessor

from piece_processors import llama_tokenizer
from transformers_mvgpt import MobileVLMConfig, MobileVLMImageProcessor, MobileVLMProcessor
from transformers_mvgpt.processing import square_padding
from transformers_mvgpt.processing.image_processing_mobilevlm import MobileVLMImageProcessorPil


MEASURED = load_file(Path(__file__).parents[1] / "data" / "mobilevlm_preprocessing.safetensors")
BACKENDS = [MobileVLMImageProcessor, MobileVLMImageProcessorPil]
MEAN = torch.tensor([0.48145466, 0.4578275, 0.40821073])[:, None, None]
STD = torch.tensor([0.26862954, 0.26130258, 0.27577711])[:, None, None]

every_backend = pytest.mark.parametrize("backend", BACKENDS, ids=["torchvision", "pil"])


def make_image(name, height, width):
    """Colored rectangles, seeded by the name."""
    generator = np.random.default_rng(zlib.crc32(name.encode()))
    squares = generator.integers(0, 256, (9, 16, 3), dtype=np.uint8)
    return squares[np.arange(height) * 9 // height][:, np.arange(width) * 16 // width]


def grey_levels(pixels):
    return (pixels * STD + MEAN) * 255


def process(backend, image, **options):
    return backend()(image, return_tensors="pt", **options)["pixel_values"][0]


@every_backend
@pytest.mark.parametrize("make", [Image.fromarray, np.asarray, torch.from_numpy], ids=["PIL", "array", "tensor"])
@pytest.mark.parametrize("size", MEASURED)
def test_pixels_are_those_of_the_release(backend, make, size):
    image = make_image(f"frame.{size}", *map(int, size.split("x")))
    pixels = process(backend, make(image))
    assert pixels.shape == (3, 336, 336)
    difference = (grey_levels(pixels[:, ::12, ::12]) - grey_levels(MEASURED[size])).abs()
    assert difference.max() < 1.01
    assert difference.mean() < 0.01


@every_backend
@pytest.mark.parametrize(("height", "width"), [(5, 9), (9, 5), (5, 6)])
def test_image_stands_in_the_middle_of_the_mean_color(backend, height, width):
    image = np.full((height, width, 3), 255, dtype=np.uint8)
    side = max(height, width)
    pixels = process(backend, image, do_resize=False, do_center_crop=False)
    assert pixels.shape == (3, side, side)
    levels = grey_levels(pixels).round()
    top, left = (side - height) // 2, (side - width) // 2
    is_image = torch.zeros(side, side, dtype=torch.bool)
    is_image[top : top + height, left : left + width] = True
    assert (levels[:, is_image] == 255).all()
    assert (levels[:, ~is_image] == torch.tensor([122.0, 116.0, 104.0])[:, None]).all()


@every_backend
def test_colors_of_scaled_images(backend):
    image = make_image("scaled", 20, 30)
    expected = process(backend, image, do_resize=False, do_center_crop=False)
    scaled = process(backend, image.astype(np.float32) / 255, do_resize=False, do_center_crop=False, do_rescale=False)
    assert torch.allclose(scaled, expected, atol=1e-5)


def test_without_padding_it_is_clip():
    image = make_image("clip", 40, 60)
    sizes = {"size": {"shortest_edge": 8}, "crop_size": {"height": 8, "width": 8}}
    expected = CLIPImageProcessor(**sizes)(image, return_tensors="pt")["pixel_values"][0]
    assert torch.equal(process(MobileVLMImageProcessor, image, do_pad=False, **sizes), expected)
    assert not torch.equal(process(MobileVLMImageProcessor, image, **sizes), expected)


@every_backend
@pytest.mark.parametrize(("height", "width"), [(12, 150), (150, 13), (90, 100)])
def test_large_squares_are_not_made_as_a_whole(backend, height, width, monkeypatch):
    vision_config = {"image_size": 32, "patch_size": 8}
    processor = MobileVLMProcessor.from_config(
        MobileVLMConfig(vision_config=vision_config, image_grid_size=2), llama_tokenizer()
    )
    size = {"size": {"shortest_edge": 32}, "crop_size": {"height": 32, "width": 32}}
    processor.image_processor = backend(**size)
    image = make_image("large", height, width)
    expected = processor(text="<image>", images=image, return_tensors="pt")["pixel_values"]
    monkeypatch.setattr(square_padding, "MAX_PIXELS", 8000)
    sides = []
    resize = backend.resize
    monkeypatch.setattr(
        backend,
        "resize",
        lambda self, image, **options: sides.append(image.shape[-2:]) or resize(self, image, **options),
    )
    pixels = processor(text="<image>", images=image, return_tensors="pt")["pixel_values"]
    assert sides == [(32, 32)]  # it has been made already
    difference = grey_levels(pixels[0]) - grey_levels(expected[0])
    assert difference.abs().max() < (0.01 if backend is MobileVLMImageProcessor else 1.01)
