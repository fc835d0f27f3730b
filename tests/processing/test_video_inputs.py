# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from transformers_mvgpt.processing.video_inputs import channel_layout, flatten_videos, frames_to_array, is_single_video


ARRAY = np.zeros((5, 30, 40, 3), dtype=np.uint8)
FRAME = ARRAY[0]
TENSOR = torch.zeros(5, 3, 30, 40, dtype=torch.uint8)
IMAGES = [Image.new("RGB", (40, 30), (index, 0, 0)) for index in range(5)]
FRAME_PATHS = ["0.png", Path("1.png")]

SINGLE = {
    "path": "clip.mp4",
    "pathlike": Path("clip.mp4"),
    "address": "https://example.com/clip.mp4",
    "bytes": b"\x00",
    "array": ARRAY,
    "tensor": TENSOR,
    "images": IMAGES,
    "tuple_of_images": tuple(IMAGES),
    "arrays_of_frames": list(ARRAY),
    "tensors_of_frames": list(TENSOR),
    "gray_array": ARRAY[..., 0],
}
SEVERAL = {
    "paths": (["a.mp4", Path("b.mp4")], ["a.mp4", Path("b.mp4")]),
    "tuple": (("a.mp4", "b.mp4"), ["a.mp4", "b.mp4"]),
    "of_each_prompt": ([["a.mp4", "b.mp4"], ["c.mp4"]], ["a.mp4", "b.mp4", "c.mp4"]),
    "different_forms": (["a.mp4", ARRAY, IMAGES, b"\x00"], ["a.mp4", ARRAY, IMAGES, b"\x00"]),
    "lists_of_images": ([IMAGES, IMAGES[:2]], [IMAGES, IMAGES[:2]]),
    "frame_paths_of_each_prompt": ([[FRAME_PATHS], ["c.mp4"]], [FRAME_PATHS, "c.mp4"]),
    "image": (IMAGES[0], [[IMAGES[0]]]),
    "array_of_a_frame": (FRAME, [[FRAME]]),
    "none": ([], []),
}


def is_same(left, right) -> bool:
    if isinstance(left, (list, tuple)):
        return len(left) == len(right) and all(map(is_same, left, right))
    return left is right or (isinstance(left, (str, bytes, Path)) and left == right)


@pytest.mark.parametrize("name", SINGLE)
def test_one_video(name):
    assert is_single_video(SINGLE[name])
    assert is_same(flatten_videos(SINGLE[name]), [SINGLE[name]])
    assert is_same(flatten_videos([SINGLE[name], SINGLE[name]]), [SINGLE[name]] * 2)


@pytest.mark.parametrize("name", SEVERAL)
def test_list_of_videos(name):
    videos, expected = SEVERAL[name]
    assert not is_single_video(videos)
    assert is_same(flatten_videos(videos), expected)


@pytest.mark.parametrize("batch", [np.stack([ARRAY, ARRAY + 1]), torch.stack([TENSOR, TENSOR + 1])], ids=type)
def test_batch_of_five_dimensions(batch):
    assert not is_single_video(batch)
    videos = flatten_videos(batch)
    assert len(videos) == 2
    assert (videos[0] == batch[0]).all() and (videos[1] == batch[1]).all()


@pytest.mark.parametrize(
    "value, what",
    [
        (None, "NoneType None"),
        ([None], "NoneType None"),
        ({"video": "a.mp4"}, r"dict \{'video'"),
        ([1, 2], "int 1"),
        (ARRAY[0, 0, 0], r"ndarray of shape \(3,\)"),
        ([ARRAY[0, :, :, 0]], r"ndarray of shape \(30, 40\)"),
        (TENSOR[None, None], r"Tensor of shape \(1, 1, 5, 3, 30, 40\)"),
    ],
)
def test_not_a_video(value, what):
    with pytest.raises(ValueError, match=f"Not a video: {what}.* Pass a path, a URL, a folder of frames"):
        flatten_videos(value)


def test_frames_in_a_list_become_an_array():
    expected = np.stack([np.asarray(image) for image in IMAGES])
    for frames in (IMAGES, list(expected), [IMAGES[0], expected[1], torch.from_numpy(expected[2]), *IMAGES[3:]]):
        array = frames_to_array(frames)
        assert isinstance(array, np.ndarray) and array.dtype == np.uint8
        assert np.array_equal(array, expected)
    tensor = frames_to_array(list(torch.from_numpy(expected)))
    assert isinstance(tensor, torch.Tensor)
    assert np.array_equal(tensor.numpy(), expected)


@pytest.mark.parametrize("mode", ["L", "P", "1"])
def test_images_become_rgb(mode):
    assert np.array_equal(
        frames_to_array([IMAGES[0].convert(mode)]), np.asarray(IMAGES[0].convert(mode).convert("RGB"))[None]
    )


def test_what_is_transparent_is_white_in_every_form():
    image = Image.new("RGBA", (40, 30), (1, 2, 3, 4))
    image.paste((1, 200, 3, 128), (0, 0, 20, 30))
    array = np.array(image)[None]
    expected = frames_to_array([image])
    assert expected[0, 0].tolist() == [[128, 227, 129]] * 20 + [[251, 251, 251]] * 20
    assert (frames_to_array(array) == expected).all() and (frames_to_array(list(array)) == expected).all()
    channels_first = frames_to_array(torch.from_numpy(array).permute(0, 3, 1, 2))
    assert (channels_first.permute(0, 2, 3, 1).numpy() == expected).all()
    half = [[image, IMAGES[0]], [IMAGES[0], image]]
    assert all(frames_to_array(frames).shape == (2, 30, 40, 3) for frames in half)


@pytest.mark.parametrize("mode", ["LA", "PA", "RGBA", "P"])
def test_transparent_pictures_of_all_modes_are_on_white(mode):
    image = Image.new("RGBA", (40, 30), (0, 0, 0, 0))
    image = Image.new("PA", image.size, (0, 0)) if mode == "PA" else image.convert(mode)
    if mode == "P":
        image.info["transparency"] = image.getpixel((0, 0))
    assert (frames_to_array([image]) == 255).all()


@pytest.mark.parametrize("dtype, white", [(np.uint16, 65535), (np.int32, 65535), (np.float32, 1.0)])
def test_more_than_eight_bits_are_scaled(dtype, white):
    ramp = (np.linspace(0, 1, 256) * white).round(0 if white > 1 else 9).astype(dtype)
    pixels = frames_to_array([Image.fromarray(np.tile(ramp, (4, 1)))])
    assert pixels[0, 0, :, 0].tolist() == list(range(256))


def test_frames_of_different_sizes():
    message = r"The frames of a video must have one size, got \[\(20, 10, 3\), \(30, 40, 3\)\]: resize them"
    with pytest.raises(ValueError, match=message):
        frames_to_array([*IMAGES, Image.new("RGB", (10, 20))])


def test_no_frames():
    with pytest.raises(ValueError, match=r"The video has no frames: an array of shape \(0, 30, 40, 3\)"):
        frames_to_array(ARRAY[:0])


@pytest.mark.parametrize("shape", [(5, 30, 40, 2), (5, 2, 30, 40), (5, 0, 40, 3), (1, 5, 30, 40)])
def test_wrong_shape(shape):
    message = (
        rf"Frames must have the shape \(num_frames, height, width, 3\) or .* got \({', '.join(map(str, shape))}\)"
    )
    with pytest.raises(ValueError, match=message):
        frames_to_array(np.zeros(shape, dtype=np.uint8))


GRAY = np.arange(5 * 30 * 40, dtype=np.uint8).reshape(5, 30, 40)


@pytest.mark.parametrize("gray", [GRAY, torch.from_numpy(GRAY)], ids=type)
def test_gray_frames(gray):
    [video] = flatten_videos(gray)
    frames = frames_to_array(video)
    assert frames.shape == (5, 30, 40, 1)
    assert (frames[..., 0] == gray).all()
    assert channel_layout(frames) == "channels_last"
    assert is_same(flatten_videos([gray, gray]), [gray, gray])


@pytest.mark.parametrize("num_frames", [3, 4])
def test_three_gray_frames_or_one_picture(num_frames):
    array = GRAY[[0] * num_frames]
    with pytest.raises(
        ValueError, match=rf"shape \({num_frames}, 30, 40\) may be one picture, or a video of"
    ) as error:
        flatten_videos(array)
    # the advice, followed
    for advice, shape in (("array[None]", (1, 3, 30, 40)), ("array[..., None]", (num_frames, 30, 40, 1))):
        assert advice in str(error.value)
        [video] = flatten_videos(eval(advice))
        assert frames_to_array(video).shape == shape


@pytest.mark.parametrize("shape", [(1, 30, 40), (30, 40, 1), (30, 40, 3), (30, 40, 4)])
def test_one_picture(shape):
    picture = np.zeros(shape, np.uint8)
    assert is_same(flatten_videos(picture), [[picture]])


@pytest.mark.parametrize(
    "shape, layout",
    [
        ((5, 3, 30, 40), "channels_first"),
        ((5, 30, 40, 3), "channels_last"),
        ((5, 30, 40, 4), "channels_last"),
        ((5, 4, 4, 3), "channels_last"),
        ((5, 1, 40, 3), "channels_last"),
        ((5, 3, 4, 4), "channels_first"),
    ],
)
def test_layout(shape, layout):
    assert channel_layout(np.zeros(shape, np.uint8)) == layout


@pytest.mark.parametrize("shape", [(5, 3, 40, 3), (5, 4, 40, 4), (5, 1, 40, 4)])
def test_layout_that_cannot_be_told(shape):
    with pytest.raises(ValueError, match="channels in the second or in the last dimension: pass `input_data_format="):
        channel_layout(np.zeros(shape, np.uint8))


@pytest.mark.parametrize(
    "frames", [ARRAY / 255, ARRAY + 0.5, ARRAY.astype(bool), ARRAY.astype(np.int64)], ids=lambda a: a.dtype
)
@pytest.mark.parametrize("kind", [np.asarray, torch.as_tensor], ids=["array", "tensor"])
def test_advice_on_dtypes_works(frames, kind):
    frames = kind(frames)
    with pytest.raises(ValueError, match=f"must be uint8 pixels from 0 to 255, got {frames.dtype}") as error:
        frames_to_array(frames)
    _, *advised = str(error.value).split("`")
    assert advised[::2]
    for advice in advised[::2]:
        assert frames_to_array(eval(advice)).shape == frames.shape


@pytest.mark.parametrize("dtype", [np.float32, np.int64, bool])
def test_wrong_dtype_of_an_array(dtype):
    with pytest.raises(ValueError, match=f"Frames must be uint8 pixels from 0 to 255, got {np.dtype(dtype)}"):
        frames_to_array(ARRAY.astype(dtype))


def test_wrong_dtype_of_a_tensor():
    with pytest.raises(ValueError, match="Frames must be uint8 pixels from 0 to 255, got torch.float32"):
        frames_to_array(TENSOR.float())
