# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Videos of different lengths, and images as videos of one frame."""

import re
from typing import Any

import numpy as np
import pytest
import torch

from chats import PICTURE, PIXELS, WHAT, ask, film
from release_layout import make_tokenizer
from transformers_mvgpt import TinyLlavaVideoProcessor, TinyLlavaVideoVideoProcessor


SIDE = 8
NUM_FRAMES = 5
SHORT = PIXELS[:3]


@pytest.fixture(scope="module")
def processor() -> TinyLlavaVideoProcessor:
    video_processor = TinyLlavaVideoVideoProcessor(num_frames=NUM_FRAMES, size={"height": SIDE, "width": SIDE})
    return TinyLlavaVideoProcessor(video_processor, make_tokenizer(), num_video_tokens=4)


def prepare(processor: Any, *videos: Any, **options: Any) -> dict[str, Any]:
    return processor(text="<image>" * len(videos), videos=list(videos), return_tensors="pt", **options)


def test_videos_of_one_length(processor):
    inputs = prepare(processor, PIXELS, SHORT)
    assert set(inputs) == {"input_ids", "attention_mask", "pixel_values_videos"}
    assert inputs["pixel_values_videos"].shape == (2, NUM_FRAMES, 3, SIDE, SIDE)
    assert inputs["input_ids"].tolist() == [[processor.video_token_id] * 8]


def test_videos_of_different_lengths(processor):
    singles = [prepare(processor, video, do_sample_frames=False)["pixel_values_videos"] for video in (PIXELS, SHORT)]
    assert [pixels.shape[:2] for pixels in singles] == [(1, 9), (1, 3)]
    inputs = prepare(processor, PIXELS, SHORT, do_sample_frames=False)
    assert inputs["num_frames_per_video"].tolist() == [9, 3]
    assert torch.equal(inputs["pixel_values_videos"], torch.cat([pixels[0] for pixels in singles]))
    as_lists = processor(text="<image>" * 2, videos=[PIXELS, SHORT], do_sample_frames=False)
    assert as_lists["num_frames_per_video"] == [9, 3]


def test_videos_of_several_calls_are_joined(processor):
    join, options = processor.video_processor.join, {"do_sample_frames": False}
    each = [prepare(processor, *videos, **options) for videos in [(PIXELS, SHORT), (SHORT,), (PIXELS,)]]
    together = prepare(processor, PIXELS, SHORT, SHORT, PIXELS, **options)
    joined = join([each[0], {}, *each[1:]])
    assert set(joined) == {"pixel_values_videos", "num_frames_per_video"}
    assert all(torch.equal(joined[name], together[name]) for name in joined)
    assert set(join(each[1:2] * 2)) == {"pixel_values_videos"}
    assert join([{}]) == {}


def test_families_that_want_zero_frames(release):
    from transformers import AutoProcessor

    processor = AutoProcessor.from_pretrained(release)
    processor.video_processor.num_frames = len(PIXELS)
    prepared = [
        processor.video_processor([video], do_sample_frames=False, return_tensors="pt") for video in (PIXELS, SHORT)
    ]
    joined = processor.video_processor.join(prepared)
    assert set(joined) == {"pixel_values_videos", "context_pixel_values_videos"}
    assert joined["pixel_values_videos"].shape[:2] == (2, 9)
    assert not joined["pixel_values_videos"][1, 3:].any()


@pytest.mark.parametrize(
    "options", [{}, {"do_sample_frames": False}, {"num_frames": 3}, {"start_seconds": 2}], ids=str
)
def test_image_is_a_video_of_one_frame(processor, options):
    [expected] = prepare(processor, [PICTURE], do_sample_frames=False)["pixel_values_videos"]
    inputs = processor(text="<image>", images=PICTURE, return_tensors="pt", **options)
    assert torch.equal(inputs["pixel_values_videos"], expected[None])
    assert inputs["pixel_values_videos"].shape == (1, 1, 3, SIDE, SIDE)


@pytest.mark.parametrize("form", ["path", "array", "batch"])
def test_forms_of_images(processor, tmp_path, form):
    PICTURE.save(tmp_path / "picture.png")
    pixels = np.array(PICTURE)
    images = {"path": str(tmp_path / "picture.png"), "array": pixels, "batch": pixels[None]}[form]
    inputs = processor(text="<image>", images=images, return_tensors="pt")
    expected = processor(text="<image>", images=PICTURE, return_tensors="pt")
    assert torch.equal(inputs["pixel_values_videos"], expected["pixel_values_videos"])


def test_order_of_a_chat(processor):
    picture = {"type": "image", "image": PICTURE}
    inputs = processor.apply_chat_template(
        ask(WHAT, picture, film(PIXELS), picture),
        add_generation_prompt=True,
        tokenize=True,
        return_dict=True,
        return_tensors="pt",
    )
    assert inputs["num_frames_per_video"].tolist() == [1, NUM_FRAMES, 1]
    pixels = inputs["pixel_values_videos"].split([1, NUM_FRAMES, 1])
    assert torch.equal(pixels[0], pixels[2])
    assert torch.equal(pixels[1][None], prepare(processor, PIXELS)["pixel_values_videos"])
    assert (inputs["input_ids"] == processor.video_token_id).sum() == 3 * 4


def test_placeholder_of_an_image(processor):
    """For what is encoded already."""
    chats = [ask(WHAT, {"type": kind}) for kind in ("image", "video")]
    assert processor.encode_chat(chats[0]) == processor.encode_chat(chats[1])


def test_images_and_videos_without_an_order(processor):
    with pytest.raises(
        ValueError, match="cannot tell the order of `images` and `videos` in a prompt: pass all of them as"
    ):
        processor(text="<image>" * 2, images=[PICTURE], videos=[PIXELS])


def test_image_within_limits(processor):
    from transformers_mvgpt import UntrustedInput

    with pytest.raises(ValueError, match="pixels"):
        processor(text="<image>", images=PICTURE, untrusted_input=UntrustedInput(max_pixels_per_frame=100))


@pytest.mark.parametrize("name", ["videos", "images"])
def test_empty_lists_are_refused(processor, name):
    with pytest.raises(
        ValueError,
        match="^No video or image was given: the list of them is empty. Leave it out if the prompt has none.$",
    ):
        processor(text="<image>", **{name: []})


def test_gray_image(processor):
    gray = np.array(PICTURE)[..., 0]
    inputs = processor(text="<image>", images=gray, return_tensors="pt")
    [expected] = prepare(processor, gray[None, ..., None], do_sample_frames=False)["pixel_values_videos"]
    assert torch.equal(inputs["pixel_values_videos"], expected[None])


def test_array_that_is_no_image_is_no_video_of_gray_frames(processor):
    expected = re.escape("An image must have the shape (height, width, 3) or (3, height, width), got (6, 7, 5).")
    with pytest.raises(ValueError, match=f"^{expected}$"):
        processor(text="<image>", images=np.zeros((6, 7, 5), np.uint8))
