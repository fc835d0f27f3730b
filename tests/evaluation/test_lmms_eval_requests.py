# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
import pytest
from PIL import Image

from transformers_mvgpt.evaluation.lmms_eval_requests import chat_about, cut_at, generate_options, to_chat


BOTH = ("image", "video")
PICTURE = Image.new("RGB", (4, 3))


def parts_of(visuals, kinds=BOTH):
    [message] = chat_about(visuals, "What?", kinds)
    *parts, question = message["content"]
    assert message["role"] == "user"
    assert question == {"type": "text", "text": "What?"}
    return parts


@pytest.mark.parametrize(
    "visual, part",
    [
        ("clips/one.mp4", {"type": "video", "video": "clips/one.mp4"}),
        ("clips/one.webm", {"type": "video", "video": "clips/one.webm"}),
        ("clips/frames", {"type": "video", "video": "clips/frames"}),
        ("one.JPG", {"type": "image", "image": "one.JPG"}),
        (PICTURE, {"type": "image", "image": PICTURE}),
        ([PICTURE, PICTURE], {"type": "video", "video": [PICTURE, PICTURE]}),
        ({"type": "video", "path": "one.mp4"}, {"type": "video", "video": "one.mp4"}),
        ({"bytes": b"...", "path": "one.mp4"}, {"type": "video", "video": {"bytes": b"...", "path": "one.mp4"}}),
        (
            {"type": "video", "path": "one.mp4", "video_start": 2.5, "video_end": 4},
            {"type": "video", "video": "one.mp4", "start_seconds": 2.5, "end_seconds": 4},
        ),
    ],
)
def test_visuals(visual, part):
    assert parts_of([visual]) == [part]


def test_text_alone():
    assert parts_of([]) == parts_of(None) == []


def test_messages():
    segment = {"type": "video", "path": "two.mp4", "video_start": 1}
    content = [
        {"type": "text", "text": "First:"},
        {"type": "video", "url": "one.mp4", "start_time": 0.0, "end_time": 3.0},
        {"type": "video", "url": segment},
        {"type": "audio", "url": "three.webm"},
        {"type": "image", "url": PICTURE},
        {"type": "text", "text": "What?"},
    ]
    system = {"role": "system", "content": "Be brief."}
    assert to_chat([system, {"role": "user", "content": content}], BOTH) == [
        system,
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "First:"},
                {"type": "video", "video": "one.mp4", "start_seconds": 0.0, "end_seconds": 3.0},
                {"type": "video", "video": "two.mp4", "start_seconds": 1},
                {"type": "video", "video": "three.webm"},
                {"type": "image", "image": PICTURE},
                {"type": "text", "text": "What?"},
            ],
        },
    ]


@pytest.mark.parametrize(
    "visual, kinds, what",
    [
        ("one.mp4", ("image",), "of the kind 'video', and this model takes images alone"),
        (
            {"type": "audio", "url": "one.wav"},
            BOTH,
            "of the kind 'audio', and this model takes images and videos alone",
        ),
    ],
)
def test_what_the_model_does_not_take(visual, kinds, what):
    with pytest.raises(
        ValueError, match=f"The task shows 'one.*', {what}: choose tasks about those, or another model"
    ):
        parts_of([visual], kinds)


# as the tasks of the published benchmarks have them
GREEDY = {
    "max_new_tokens": 16,
    "temperature": 0.0,
    "top_p": 1.0,
    "num_beams": 1,
    "do_sample": False,
    "until": ["\n\n"],
}


@pytest.mark.parametrize(
    "kwargs, options, stops",
    [
        (GREEDY, {"max_new_tokens": 16, "num_beams": 1, "do_sample": False}, ["\n\n"]),
        ({"until": None, "do_sample": False}, {"do_sample": False}, []),
        ({"until": "ASSISTANT:", "image_aspect_ratio": "original"}, {"do_sample": False}, ["ASSISTANT:"]),
        ({"temperature": 0, "do_sample": True}, {"do_sample": False}, []),
        ({"temperature": 0.7, "top_p": 0.9}, {"temperature": 0.7, "top_p": 0.9, "do_sample": True}, []),
        ({"temperature": 0.7, "do_sample": False}, {"do_sample": False}, []),
    ],
)
def test_arguments_of_generation(kwargs, options, stops):
    assert generate_options(kwargs) == (options, stops)


def test_an_answer_ends_before_the_first_stop():
    assert cut_at("red\n\nUSER: why", ["USER:", "\n\n"]) == "red"
    assert cut_at("red", ["\n\n"]) == "red"
