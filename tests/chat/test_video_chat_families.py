# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""`VideoChat` with the families whose models take images alone, or videos alone."""

from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from transformers import AutoModelForImageTextToText, AutoProcessor
from transformers.modeling_outputs import BaseModelOutputWithPooling

from chats import PICTURE, PIXELS, WHAT, WHERE, ask, film
from input_forms import FORMS
from tiny_families import write_mobilevlm, write_tinyllava
from transformers_mvgpt import VideoChat, load_video_features, save_video_features
from transformers_mvgpt.modeling.outputs import VideoFeatures
from video_files import CLIPS


LENGTH = {"max_new_tokens": 6}
FRAMES = [np.array(PICTURE), 255 - np.array(PICTURE), np.array(PICTURE.rotate(180))]
WRITERS = {"mobilevlm": write_mobilevlm, "tinyllava": partial(write_tinyllava, num_queries=256)}


@pytest.fixture(scope="module")
def loaded(tmp_path_factory) -> dict[str, tuple[Any, Any]]:
    folders = {name: write(tmp_path_factory.mktemp(name)) for name, write in WRITERS.items()}
    return {
        name: (AutoModelForImageTextToText.from_pretrained(folder), AutoProcessor.from_pretrained(folder))
        for name, folder in folders.items()
    }


def picture(image: Any) -> dict[str, Any]:
    return {"type": "image", "image": image}


# by name: family, what the chat is about, and the same as a part of a message
VISUALS = {
    "image": ("mobilevlm", PICTURE, picture(PICTURE)),
    "frames": ("mobilevlm", FRAMES, picture(FRAMES)),
    "array_of_frames": ("mobilevlm", np.stack(FRAMES), picture(FRAMES)),
    "video": ("tinyllava", PIXELS, film(PIXELS)),
    "image_of_a_video_model": ("tinyllava", PICTURE, picture(PICTURE)),
}


def fresh_answer(model: Any, processor: Any, messages: list[dict[str, Any]], **options: Any) -> str:
    """Without a `VideoChat`."""
    inputs = processor.apply_chat_template(
        messages, add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt"
    )
    ids = model.generate(**inputs, **LENGTH, **options)[0, inputs["input_ids"].shape[1] :]
    return processor.decode(ids, skip_special_tokens=True).removeprefix(" ")


@pytest.mark.parametrize("name", VISUALS)
def test_answers_are_those_of_fresh_calls(loaded, name):
    family, visual, part = VISUALS[name]
    model, processor = loaded[family]
    chat = VideoChat(model, processor, visual)
    expected = {question: fresh_answer(model, processor, ask(question, part)) for question in (WHAT, WHERE)}
    for question in (WHAT, WHERE, WHAT):
        assert chat.ask(question, **LENGTH) == expected[question]


def test_what_is_encoded(loaded):
    chats = {name: VideoChat(*loaded[family], visual) for name, (family, visual, _) in VISUALS.items()}
    shapes = {name: tuple(chat.video.pooler_output.shape) for name, chat in chats.items()}
    assert shapes == {
        "image": (1, 4, 32),
        "frames": (3, 4, 32),
        "array_of_frames": (3, 4, 32),
        "video": (1, 256, 32),
        "image_of_a_video_model": (1, 256, 32),
    }
    assert chats["video"].video.last_hidden_state.shape[0] == 2  # frames sampled
    assert chats["image_of_a_video_model"].video.last_hidden_state.shape[0] == 1
    assert [chats[name].modality for name in ("image", "video")] == ["image", "video"]


@pytest.mark.parametrize("name", ["frames", "video"])
def test_encoded_visuals_in_files(loaded, tmp_path, name):
    family, visual, _ = VISUALS[name]
    chat, path = VideoChat(*loaded[family], visual), tmp_path / "visual.safetensors"
    save_video_features(chat.video, path)
    features = load_video_features(path)
    assert type(features) is (VideoFeatures if name == "video" else BaseModelOutputWithPooling)
    assert torch.equal(features.pooler_output, chat.video.pooler_output)
    assert VideoChat(*loaded[family], features).ask(WHAT, **LENGTH) == chat.ask(WHAT, **LENGTH)
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    assert metadata["num_videos" if name == "video" else "num_images"] == str(len(chat.video.pooler_output))


def test_variable_of_the_template(loaded):
    suffix = "Output the thinking process in <think> </think> and final answer (option) in <answer> </answer> tags."
    chat = VideoChat(*loaded["tinyllava"], PIXELS)
    assert chat.ask(WHAT, think=True, **LENGTH) == chat.ask(f"{WHAT}\n{suffix}", **LENGTH) != chat.ask(WHAT, **LENGTH)


def test_visual_of_another_model(loaded):
    image = VideoChat(*loaded["mobilevlm"], PICTURE).video
    with pytest.raises(
        ValueError, match=r"The encoded video has visual tokens \(`pooler_output`\) of shape \(1, 4, 32\)"
    ):
        VideoChat(*loaded["tinyllava"], image)


def test_other_visuals_in_a_question(loaded):
    chat = VideoChat(*loaded["mobilevlm"], PICTURE)
    with pytest.raises(ValueError, match="the image is given once, to `VideoChat`, and there are no other visuals"):
        chat.ask(ask(WHAT, picture(PICTURE)))
    with pytest.raises(ValueError, match=r"`model.generate` with `mm_encoder_outputs=\{'image': chat.video\}`"):
        chat.ask(WHAT, pixel_values=None)


def test_video_for_a_model_of_images(loaded, clip):
    with pytest.raises(ValueError, match="It is a video, or an image that Pillow cannot read"):
        VideoChat(*loaded["mobilevlm"], str(clip("h264.mp4")))


def test_paths_of_pictures(loaded, tmp_path):
    """A list of paths is several videos, and in a list one video of these pictures; to a model of images, it is images."""
    paths = [str(tmp_path / f"{number}.png") for number in range(3)]
    for path, frame in zip(paths, FRAMES, strict=True):
        Image.fromarray(frame).save(path)
    model, processor = loaded["tinyllava"]
    with pytest.raises(
        ValueError, match="^A `VideoChat` is about one video, got 3 videos: make one for each of them. Pictures"
    ):
        VideoChat(model, processor, paths)
    given = VideoChat(model, processor, [paths], do_sample_frames=False)
    expected = VideoChat(model, processor, FRAMES, do_sample_frames=False)
    assert given.video.pooler_output.equal(expected.video.pooler_output)
    model, processor = loaded["mobilevlm"]
    assert VideoChat(model, processor, paths).ask(WHAT, **LENGTH) == VideoChat(model, processor, FRAMES).ask(
        WHAT, **LENGTH
    )


@pytest.mark.parametrize("name", FORMS)
def test_forms_of_a_video(loaded, tmp_path_factory, name):
    video = str(CLIPS["two_frames.mkv"](tmp_path_factory.mktemp("clips") / "two_frames.mkv"))
    model, processor = loaded["tinyllava"]
    expected = VideoChat(model, processor, video).video.pooler_output
    assert VideoChat(model, processor, FORMS[name](video)).video.pooler_output.equal(expected)
