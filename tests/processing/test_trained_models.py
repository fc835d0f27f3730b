# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The tiny trained models answer rightly, through the pipelines and in batches, what an untrained one could only guess."""

from typing import Any

import pytest
import torch
from transformers import AutoModelForImageTextToText, AutoProcessor, pipeline

from tiny_trained import (
    MOBILEVLM,
    PICTURE_SEEDS,
    TINYLLAVA,
    ask,
    clip_questions,
    picture,
    picture_questions,
    write_drawn_clip,
)


OPTIONS: dict[str, Any] = {"max_new_tokens": 12}


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return write_drawn_clip(tmp_path_factory.mktemp("clip") / "clip.mp4")


@pytest.fixture(scope="module")
def loaded():
    folders = {"mobilevlm": MOBILEVLM, "tinyllava": TINYLLAVA}
    return {
        name: (AutoModelForImageTextToText.from_pretrained(folder), AutoProcessor.from_pretrained(folder))
        for name, folder in folders.items()
    }


def generate(loaded, chats, **changes):
    """The answers to chats in one batch, with padding on the left."""
    model, processor = loaded
    inputs = processor.apply_chat_template(
        chats,
        add_generation_prompt=True,
        tokenize=True,
        return_dict=True,
        return_tensors="pt",
        processor_kwargs={"padding": True, "padding_side": "left"},
    )
    inputs |= {name: change(inputs[name]) for name, change in changes.items()}
    ids = model.generate(**inputs, **OPTIONS)[:, inputs["input_ids"].shape[1] :]
    return [text.strip() for text in processor.batch_decode(ids, skip_special_tokens=True)]


def test_pipeline_about_a_picture():
    pipe = pipeline("image-text-to-text", model=str(MOBILEVLM), device="cpu")
    for question in picture_questions(PICTURE_SEEDS[0]):
        [record] = pipe(
            text=ask({"type": "image", "image": picture(PICTURE_SEEDS[0])}, question),
            return_full_text=False,
            **OPTIONS,
        )
        assert record["generated_text"].strip() == question.answer, question.text


def test_pipeline_about_a_clip(clip):
    pipe = pipeline("video-text-to-text", model=str(TINYLLAVA), device="cpu")
    assert clip_questions()
    for question in clip_questions():
        [record] = pipe(clip, text=question.text, **OPTIONS)
        assert record["generated_text"] == question.answer, question.text


def test_batch_of_different_pictures_and_lengths(loaded):
    asked = [(seed, question) for seed in PICTURE_SEEDS for question in picture_questions(seed)]
    chats = [ask({"type": "image", "image": picture(seed)}, question) for seed, question in asked]
    assert generate(loaded["mobilevlm"], chats) == [question.answer for _, question in asked]


def test_a_picture_in_which_something_else_is_seen_has_other_answers(loaded):
    [question] = [question for question in picture_questions(PICTURE_SEEDS[0]) if question.type == "colour"]
    chat = ask({"type": "image", "image": picture(PICTURE_SEEDS[0])}, question)
    # red and blue change places
    [answer] = generate(loaded["mobilevlm"], [chat], pixel_values=lambda pixels: pixels.flip(1))
    assert answer != question.answer


def test_with_the_frames_backwards_time_runs_backwards(loaded, clip):
    questions = [question for question in clip_questions() if question.type == "order"]
    chats = [ask({"type": "video", "path": clip}, question) for question in questions]
    assert generate(loaded["tinyllava"], chats) == [question.answer for question in questions]
    backwards = generate(loaded["tinyllava"], chats, pixel_values_videos=lambda frames: torch.flip(frames, [1]))
    others = [next(option for option in question.options if option != question.answer) for question in questions]
    assert backwards == others
