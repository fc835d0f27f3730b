# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Nothing in a chat is ignored or misread."""

import dataclasses

import numpy as np
import pytest
from PIL import Image

from tiny_processors import tiny_processor


TOKENIZED = {"add_generation_prompt": True, "tokenize": True, "return_dict": True, "return_tensors": "pt"}
FRAMES = [Image.new("RGB", (20, 20), (index * 20, 0, 0)) for index in range(9)]
VIDEO = {"type": "video", "video": FRAMES}
TEXT = {"type": "text", "text": "What?"}
METADATA = {"total_num_frames": 9, "fps": 3.0}


@pytest.fixture(scope="module")
def processor():
    return tiny_processor()


def ask(processor, *content, **options):
    return processor.apply_chat_template([{"role": "user", "content": list(content)}], **{**TOKENIZED, **options})


def indices(inputs) -> list[list[int]]:
    return [list(metadata.frames_indices) for metadata in inputs["video_metadata"]]


def test_options_of_each_video(processor):
    parts = [VIDEO, {**VIDEO, "start_seconds": 2}, {**VIDEO, "end_seconds": 1.0, "num_frames": np.int64(2)}]
    options = {"return_metadata": True, "video_metadata": [METADATA] * 3}
    inputs = ask(processor, *parts, TEXT, processor_kwargs=options)
    alone = [
        processor.video_processor(
            [FRAMES],
            **{**{key: value for key, value in part.items() if "_" in key}, **options, "video_metadata": [METADATA]},
        )
        for part in parts
    ]
    assert indices(inputs) == [*map(list, (indices(one)[0] for one in alone))]
    assert indices(inputs)[1] == [6, 8] != indices(inputs)[0]
    for name in processor.video_processor.model_input_names:
        assert inputs[name].shape == (3, 2, 3, 8, 8)
        for pixels, one in zip(inputs[name], alone, strict=True):
            assert pixels.equal(one[name][0])


def test_rate_of_a_video():
    processor = tiny_processor()
    processor.video_processor.num_frames = 3
    options = {"return_metadata": True, "video_metadata": [METADATA] * 2}
    inputs = ask(processor, {**VIDEO, "fps": 1}, {**VIDEO, "num_frames": 2}, TEXT, processor_kwargs=options)
    assert indices(inputs) == [[0, 3, 6], indices(inputs)[1]]
    assert inputs["pixel_values_videos"].shape == (2, 3, 3, 8, 8)
    # the shorter video is followed by zero frames
    assert not inputs["pixel_values_videos"][1, 2].any() and inputs["pixel_values_videos"][1, 1].any()


def test_options_of_a_part_come_before_those_of_the_call(processor):
    options = {"return_metadata": True, "video_metadata": [METADATA], "start_seconds": 0}
    assert indices(ask(processor, {**VIDEO, "start_seconds": 2}, TEXT, processor_kwargs=options)) == [[6, 8]]
    with pytest.raises(ValueError, match="'start_seconds' of a video need `do_sample_frames=True`"):
        ask(processor, {**VIDEO, "start_seconds": 2}, TEXT, processor_kwargs={"do_sample_frames": False})


def test_form_of_openai(processor, tmp_path):
    FRAMES[1].save(tmp_path / "image.png")
    path = str(tmp_path / "image.png")
    expected = ask(processor, {"type": "image", "path": path}, TEXT)
    for source in ({"url": path}, path):
        inputs = ask(processor, {"type": "image_url", "image_url": source}, TEXT)
        assert inputs["pixel_values"].equal(expected["pixel_values"])
        assert inputs["input_ids"].equal(expected["input_ids"])
    with pytest.raises(FileNotFoundError, match="no video at 'clip.mp4'"):
        ask(processor, {"type": "video_url", "video_url": {"url": "clip.mp4"}}, TEXT)


def test_objects_and_keys_without_a_value(processor):
    @dataclasses.dataclass
    class Message:
        role: str
        content: list
        name: str | None = None

    parts = [{**TEXT, "image": None, "video": None, "fps": None}]
    expected = ask(processor, TEXT)["input_ids"]
    assert processor.apply_chat_template([Message("user", parts)], **TOKENIZED)["input_ids"].equal(expected)
    both = processor.apply_chat_template([[Message("user", parts)]] * 2, **TOKENIZED)["input_ids"]
    assert both.tolist() == expected.tolist() * 2


@pytest.mark.parametrize(
    "part, message",
    [
        ({**VIDEO, "video_start": 1}, "has the unknown key 'video_start': it is called 'start_seconds' here"),
        ({**VIDEO, "video_end": 1}, "has the unknown key 'video_end': it is called 'end_seconds' here"),
        ({**VIDEO, "nframes": 1}, "has the unknown key 'nframes': it is called 'num_frames' here"),
        (
            {**VIDEO, "min_pixels": 1},
            "has the unknown key 'min_pixels': it may have 'video', 'url', 'path', 'num_frames'",
        ),
        ({**VIDEO, "max_frames": 1}, "has the unknown key 'max_frames'"),
        ({"type": "image", "image": FRAMES[0], "fps": 2}, "of the type 'image', has the unknown key 'fps'"),
        ({**TEXT, "fps": 2}, "of the type 'text', has the unknown key 'fps': it may have 'text'"),
        ({**VIDEO, "path": "a.mp4"}, "has 'video' and 'path': it may have one video only"),
        ({"type": "video", "fps": 2}, "has 'fps' but no video to apply that to"),
        ({"type": "text"}, "must have a string as its 'text', got None"),
        ({"type": "text", "text": 5}, "must have a string as its 'text', got 5"),
        (
            {"type": "image_url", "image_url": {"url": 5}},
            r"must have its address as 'image_url': \{'url': \.\.\.\}, got \{'url': 5\}",
        ),
        ({"type": "text", "x" * 1000: 5}, r"has the unknown key 'x+\.\.\.x+'"),
        (5, "must be a dictionary such as .*, got int 5"),
    ],
    ids=lambda value: str(list(value)[-1])[:20] if isinstance(value, dict) else "",
)
def test_wrong_part(processor, part, message):
    with pytest.raises(ValueError, match=f"^Part 1 of message 0.* {message}") as error:
        ask(processor, TEXT, part)
    assert len(str(error.value)) < 400 and "\n" not in str(error.value)


@pytest.mark.parametrize("seconds, got", [("0:05", "str '0:05'"), ([1], r"list \[1\]")], ids=str)
def test_seconds_that_are_none(processor, seconds, got):
    message = f"^`start_seconds` must be float, int or None, got {got}. Seconds are a number, such as 65.5 for 1:05.5"
    with pytest.raises(ValueError, match=message):
        ask(processor, {**VIDEO, "start_seconds": seconds}, TEXT)
    with pytest.raises(ValueError, match=message):
        processor(text="<|video_pad|>", videos=[FRAMES], start_seconds=seconds)


@pytest.mark.parametrize(
    "options", [{"num_frames": np.int64(2)}, {"start_seconds": np.float32(0), "videos_kwargs": {}}]
)
def test_numbers_of_numpy(processor, options):
    given = {"text": "<|video_pad|>", "videos": [FRAMES], "video_metadata": [METADATA], "return_tensors": "pt"}
    expected = processor(**given)["pixel_values_videos"]
    assert processor(**given, **options)["pixel_values_videos"].equal(expected)


def test_type_of_a_nested_option(processor):
    with pytest.raises(ValueError, match="^`num_frames` must be int or None, got str '8'"):
        processor(text="<|video_pad|>", videos=[FRAMES], videos_kwargs={"num_frames": "8"})


@pytest.mark.parametrize(
    "message, error",
    [
        ({"content": "x"}, "has the role None: use 'system', 'user' or 'assistant'"),
        ({"role": "<|im_end|>", "content": "x"}, r"has the role '<\|im_end\|>': use"),
        ({"role": "tool", "content": "x"}, "has the role 'tool': use"),
        ({"role": ["user"], "content": "x"}, r"has the role \['user'\]: use"),
        ({"role": "user"}, "has no `content`: it must be a string, or a list of parts"),
        ({"role": "user", "content": 5}, "has a `content` of type int"),
        (
            {"role": "user", "content": "x", "video": "a.mp4"},
            "has the key 'video', which the chat template does not look at",
        ),
        ("x", "must be a dictionary with `role` and `content`, got str 'x'"),
        (
            {"role": "user", "content": "a\ud83d"},
            r"has a lone surrogate \(U\+D83D\) at position 1, which is no character",
        ),
    ],
    ids=repr,
)
def test_wrong_message(processor, message, error):
    with pytest.raises(ValueError, match=f"^Message 1 {error}"):
        processor.apply_chat_template([{"role": "user", "content": "Hi"}, message])


def test_roles_and_keys_that_the_template_knows(processor):
    template = (
        "{% for message in messages %}{% if message.role == 'tool' %}{{ message['name'] }}{% endif %}{% endfor %}"
    )
    chat = [{"role": "tool", "content": "x", "name": "look"}]
    assert processor.apply_chat_template(chat, chat_template=template) == "look"


@pytest.mark.parametrize("chat", [[], "x", None, {}, [[]]], ids=str)
def test_no_chat(processor, chat):
    with pytest.raises(ValueError, match="^A chat must be a list of messages"):
        processor.apply_chat_template(chat)


@pytest.mark.parametrize("content", ["", " \n", [], [{"type": "video"}], [{"type": "text", "text": " "}]], ids=str)
def test_no_question(processor, content):
    chat = [{"role": "user", "content": content}]
    for tokenize in (True, False):
        with pytest.raises(ValueError, match="^The question is missing: the last message of the user has no text"):
            processor.apply_chat_template(chat, add_generation_prompt=True, tokenize=tokenize)
    processor.apply_chat_template(chat)


def test_unknown_options(processor):
    for tokenize in (True, False):
        with pytest.raises(
            ValueError, match="Unknown option 'start_second'; the options of MobileVideoGPTProcessor are"
        ):
            processor.apply_chat_template([{"role": "user", "content": "x"}], start_second=1, tokenize=tokenize)


def test_surrogate_in_a_prompt(processor):
    with pytest.raises(ValueError, match=r"^The text has a lone surrogate \(U\+D83D\) at position 3"):
        processor(text="Hi \ud83d")
