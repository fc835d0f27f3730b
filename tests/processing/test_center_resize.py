# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The middle of a long picture is what resizing the whole of it makes there."""

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoProcessor, CLIPImageProcessor
from transformers.image_utils import PILImageResampling, SizeDict

from transformers_mvgpt import MobileVideoGPTVideoProcessor
from transformers_mvgpt.processing.center_resize import (
    MIN_TIMES_LONGER,
    resize_as_on_cpu,
    resize_center,
    resize_in_two_steps,
)


LONG_SIZES = [(60, 6000), (6000, 60), (7, 700), (1, 97), (301, 3001), (2999, 307), (450, 4400)]
CROPS = [(224, 224, 224), (256, 224, 224), (32, 20, 31), (33, 36, 40)]


def noise(height: int, width: int) -> torch.Tensor:
    values = np.random.default_rng(height * width).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return torch.from_numpy(values).permute(2, 0, 1)


def resize_and_crop(picture, size, crop_size, resample):
    processor = MobileVideoGPTVideoProcessor()
    return processor.center_crop(processor.resize(picture, size=size, resample=resample), crop_size)


@pytest.mark.parametrize(
    "resample", [PILImageResampling.BICUBIC, PILImageResampling.BILINEAR], ids=["cubic", "linear"]
)
@pytest.mark.parametrize("edge, crop_height, crop_width", CROPS)
@pytest.mark.parametrize("height, width", LONG_SIZES)
def test_same_pixels_but_for_rounding(height, width, edge, crop_height, crop_width, resample):
    picture = noise(height, width)
    size, crop_size = SizeDict(shortest_edge=edge), SizeDict(height=crop_height, width=crop_width)
    center = resize_center(picture, size, crop_size, resample)
    assert center.dtype == torch.uint8
    assert sorted(center.shape[1:]) == [edge, max(edge, crop_width if width > height else crop_height)]
    assert resize_center(picture.to("meta"), size, crop_size, resample).shape == center.shape
    difference = resize_and_crop(center, size, crop_size, resample).int() - resize_and_crop(
        picture, size, crop_size, resample
    )
    assert difference.abs().max() <= 2
    assert difference.abs().float().mean() < 0.01


@pytest.mark.parametrize("height, width", [(100, 799), (799, 100), (1080, 1920), (224, 224)])
def test_shorter_pictures_are_left_alone(height, width):
    picture = noise(height, width)
    size, crop_size = SizeDict(shortest_edge=32), SizeDict(height=32, width=32)
    assert MIN_TIMES_LONGER == 8
    assert resize_center(picture, size, crop_size, PILImageResampling.BICUBIC) is picture


@pytest.mark.parametrize(
    "size, resample",
    [
        (SizeDict(shortest_edge=32), PILImageResampling.NEAREST),
        (SizeDict(height=32, width=32), PILImageResampling.BICUBIC),
        (SizeDict(shortest_edge=32, longest_edge=64), PILImageResampling.BICUBIC),
    ],
)
def test_other_options_are_left_alone(size, resample):
    picture = noise(10, 900)
    assert resize_center(picture, size, SizeDict(height=32, width=32), resample) is picture


def test_video_of_long_frames():
    frames = noise(60, 6000).permute(1, 2, 0)[None].numpy()
    options = {"do_normalize": False, "do_rescale": False, "do_sample_frames": False}
    processor = MobileVideoGPTVideoProcessor()
    [[found]] = processor(frames, **options)["context_pixel_values_videos"]
    [expected] = CLIPImageProcessor()(frames[0], do_normalize=False, do_rescale=False)["pixel_values"]
    assert (found.int() - expected.int()).abs().max() <= 2


def test_long_images(release, monkeypatch):
    processor = AutoProcessor.from_pretrained(release)
    image = noise(60, 6000).permute(1, 2, 0).numpy()
    options = {"do_normalize": False, "do_rescale": False}
    expected = processor.image_processor(image, **options)["pixel_values"][0]
    monkeypatch.setattr(type(processor.image_processor), "resize", resize_nothing)
    for form in (image, Image.fromarray(image), torch.from_numpy(image.copy()), image.transpose(2, 0, 1)):
        found, _ = processor._process_images(form, **options)
        assert (found["pixel_values"][0].int() - expected.int()).abs().max() <= 2


def resize_nothing(self, image, size, **kwargs):
    assert min(image.shape[-2:]) == size.shortest_edge
    return image


@pytest.mark.parametrize("size", [SizeDict(shortest_edge=224), SizeDict(height=224, width=300)], ids=["edge", "sides"])
@pytest.mark.parametrize("height, width", [(360, 640), (640, 360), (240, 241), (100, 80)])
def test_columns_before_rows(height, width, size):
    """As CPUs do. Without rounding between, as on GPUs, noise differs by many grey levels."""

    def resize_in_float(picture, size, resample):
        floats = MobileVideoGPTVideoProcessor().resize(picture.float(), size=size, resample=resample)
        return floats.round().clamp(0, 255).to(torch.uint8)

    picture, cubic = noise(height, width), PILImageResampling.BICUBIC
    plain = MobileVideoGPTVideoProcessor().resize
    expected = plain(picture, size=size, resample=cubic)
    assert torch.equal(resize_in_two_steps(picture, size, cubic, plain), expected)
    in_float = resize_in_two_steps(picture, size, cubic, resize_in_float)
    assert (in_float.int() - expected).abs().max() <= (1 if min(height, width) > 224 else 2)
    assert (resize_in_float(picture, size, cubic).int() - expected).abs().max() > 2
    assert torch.equal(resize_as_on_cpu(picture, size, cubic, plain), expected)
    assert resize_as_on_cpu(picture.to("meta"), size, cubic, plain).shape == expected.shape


def test_other_sizes_in_one_step():
    calls = []
    size = SizeDict(shortest_edge=20, longest_edge=30)
    resize_in_two_steps(noise(40, 40), size, None, lambda picture, **options: calls.append(options))
    assert calls == [{"size": size, "resample": None}]
