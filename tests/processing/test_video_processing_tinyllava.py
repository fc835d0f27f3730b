# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
import re
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from transformers import AutoVideoProcessor

from transformers_mvgpt import TinyLlavaVideoVideoProcessor


MEASURED = load_file(Path(__file__).parents[1] / "data" / "tinyllava_video_preprocessing.safetensors")
GREY_LEVEL = 2 / 255


def frame(height, width):
    colors = np.random.default_rng(zlib.crc32(f"frame.{height}x{width}".encode())).integers(
        0, 256, (9, 16, 3), np.uint8
    )
    return colors[np.arange(height) * 9 // height][:, np.arange(width) * 16 // width]


def small(**options):
    return TinyLlavaVideoVideoProcessor(size={"height": 8, "width": 8}, **options)


def clip(num_frames):
    """Frame i is gray of level i."""
    return np.broadcast_to(np.arange(num_frames, dtype=np.uint8)[:, None, None, None], (num_frames, 6, 10, 3)).copy()


def levels(pixels):
    """The gray levels of frames."""
    return ((pixels[:, 0, 0, 0] + 1) / GREY_LEVEL).round().int().tolist()


@pytest.mark.parametrize("name", [name for name in MEASURED if "dark" not in name])
def test_measured_pixels(name):
    picture = frame(*map(int, name.split("x")))
    pixels = TinyLlavaVideoVideoProcessor()([picture[None]], num_frames=1, return_tensors="pt")["pixel_values_videos"]
    assert pixels.shape == (1, 1, 3, 384, 384) and pixels.dtype == torch.float32
    difference = (pixels[0, 0, :, ::12, ::12] - MEASURED[name]).abs() / GREY_LEVEL
    assert difference.max() <= 2 and difference.mean() < 0.25


def test_dark_pictures_are_divided_too():
    """The published system takes the levels 0 and 1 of such a frame for black and white."""
    dark = (frame(360, 640) >= 128).astype(np.uint8)
    pixels = TinyLlavaVideoVideoProcessor()([dark[None]], num_frames=1, return_tensors="pt")["pixel_values_videos"]
    assert pixels.max() <= -1 + 2 * GREY_LEVEL
    assert MEASURED["360x640_dark"].unique().tolist() == [-1, 1]


def test_short_videos_repeat_frames():
    assert levels(small(num_frames=5)(clip(3), return_tensors="pt")["pixel_values_videos"][0]) == [0, 0, 1, 1, 2]


def test_a_picture_is_a_video_of_one_frame(tmp_path):
    Image.fromarray(clip(8)[7]).save(tmp_path / "picture.png")
    for picture in (str(tmp_path / "picture.png"), clip(8)[7:]):
        pixels = small()([picture], return_tensors="pt")["pixel_values_videos"]
        assert pixels.shape == (1, 1, 3, 8, 8) and levels(pixels[0]) == [7]
    explicit = small()([str(tmp_path / "picture.png")], num_frames=2, return_tensors="pt")
    assert levels(explicit["pixel_values_videos"][0]) == [7, 7]


def test_videos_of_one_length_are_stacked():
    features = small(num_frames=4)([clip(30), clip(9)], return_tensors="pt")
    assert features.keys() == {"pixel_values_videos"}
    assert features["pixel_values_videos"].shape == (2, 4, 3, 8, 8)


def test_frames_of_videos_of_different_lengths_are_joined():
    features = small()([clip(3), clip(1), clip(2)], do_sample_frames=False, return_tensors="pt")
    assert features.keys() == {"pixel_values_videos", "num_frames_per_video"}
    assert features["num_frames_per_video"].tolist() == [3, 1, 2]
    assert levels(features["pixel_values_videos"]) == [0, 1, 2, 0, 0, 1]


@pytest.mark.parametrize("is_of_the_call", [False, True], ids=["of the processor", "of the call"])
def test_one_frame_per_second(is_of_the_call):
    options = {"num_frames": None, "max_frames": 4}
    processor, given = (small(), options) if is_of_the_call else (small(**options), {})
    metadata = [{"total_num_frames": n, "fps": 10.0} for n in (25, 100)]
    features = processor([clip(25), clip(100)], video_metadata=metadata, return_tensors="pt", **given)
    assert features["num_frames_per_video"].tolist() == [2, 4]
    assert levels(features["pixel_values_videos"]) == [0, 24, 0, 33, 66, 99]


def test_segment_of_a_video():
    metadata = [{"total_num_frames": 100, "fps": 10.0}]
    options = {"start_seconds": 2, "end_seconds": 5, "num_frames": 4}
    features = small()([clip(100)], video_metadata=metadata, return_tensors="pt", **options)
    assert levels(features["pixel_values_videos"][0]) == [20, 30, 40, 50]


def test_rate_of_a_call():
    metadata = [{"total_num_frames": 40, "fps": 10.0}]
    features = small()([clip(40)], video_metadata=metadata, fps=2, return_tensors="pt")
    assert levels(features["pixel_values_videos"][0]) == [0, 5, 10, 15, 20, 25, 30, 35]
    with pytest.raises(ValueError, match=r"`num_frames` \(3\) and `fps` \(2\) exclude each other"):
        small()([clip(40)], video_metadata=metadata, fps=2, num_frames=3)
    with pytest.raises(ValueError, match=r"`fps` \(0\) must be more than 0."):
        small()([clip(40)], video_metadata=metadata, fps=0)


@pytest.mark.parametrize(
    ("options", "given"), [({}, "`num_frames` is 16"), ({"fps": 2}, "`fps` is 2")], ids=["number", "rate"]
)
def test_cap_without_effect_is_refused(options, given):
    expected = f"`max_frames` (3) is for about one frame per second (`num_frames=None`), and {given}: leave it out."
    with pytest.raises(ValueError, match=re.escape(expected)):
        small()([clip(40)], video_metadata=[{"total_num_frames": 40, "fps": 10.0}], max_frames=3, **options)


def test_absurd_cap_is_refused():
    with pytest.raises(ValueError, match=r"`max_frames` \(100000\) must be a whole number from 1 to 10,000"):
        small(max_frames=100_000)


def test_it_is_saved(tmp_path):
    small(num_frames=None, max_frames=7).save_pretrained(tmp_path)
    processor = AutoVideoProcessor.from_pretrained(tmp_path)
    assert type(processor) is TinyLlavaVideoVideoProcessor
    assert (processor.num_frames, processor.max_frames) == (None, 7)
    assert dict(processor.size) == {"height": 8, "width": 8}
