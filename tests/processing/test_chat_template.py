# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The exact text of conversations, and their tokens."""

import sys

import pytest
import torch
from jinja2 import nodes
from PIL import Image
from transformers.utils import chat_template_utils

import tiny_trained
from tiny_processors import tiny_processor
from transformers_mvgpt import MobileVideoGPTProcessor
from transformers_mvgpt.demo import CHECKPOINT
from transformers_mvgpt.families import FAMILIES


SMALL_MODELS = {
    "Mobile-VideoGPT": CHECKPOINT,
    "MobileVLM": tiny_trained.MOBILEVLM,
    "TinyLLaVA-Video": tiny_trained.TINYLLAVA,
}
SYSTEM = "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
VIDEO = {"type": "video", "video": [Image.new("RGB", (20, 20))]}
IMAGE = {"type": "image", "image": Image.new("RGB", (20, 20))}


@pytest.fixture(scope="module")
def processor() -> MobileVideoGPTProcessor:
    return tiny_processor()


def text(value: str) -> dict:
    return {"type": "text", "text": value}


def user(*content) -> dict:
    return {"role": "user", "content": list(content)}


def assistant(content) -> dict:
    return {"role": "assistant", "content": content}


CONVERSATIONS = {
    "one_turn": (
        [user(VIDEO, text("What?"))],
        SYSTEM + "<|im_start|>user\n<|video_pad|>\nWhat?<|im_end|>\n",
    ),
    "several_turns": (
        [user(VIDEO, text("What?")), assistant("A dog."), {"role": "user", "content": "Where?"}],
        SYSTEM + "<|im_start|>user\n<|video_pad|>\nWhat?<|im_end|>\n<|im_start|>assistant\nA dog.<|im_end|>\n"
        "<|im_start|>user\nWhere?<|im_end|>\n",
    ),
    "system_given": (
        [{"role": "system", "content": "Be brief."}, user(text("Hi"))],
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n",
    ),
    "system_in_parts": (
        [{"role": "system", "content": [text("Be "), text("brief.")]}, {"role": "user", "content": "Hi"}],
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n",
    ),
    "images_and_videos": (
        [user(IMAGE, VIDEO, IMAGE, text("Same?"))],
        SYSTEM + "<|im_start|>user\n<|image_pad|>\n<|video_pad|>\n<|image_pad|>\nSame?<|im_end|>\n",
    ),
    "visual_behind_the_text": (
        [user(text("See: "), VIDEO)],
        SYSTEM + "<|im_start|>user\nSee: <|video_pad|>\n<|im_end|>\n",
    ),
    "nothing_said": (
        [user(), assistant(None)],
        SYSTEM + "<|im_start|>user\n<|im_end|>\n<|im_start|>assistant\n<|im_end|>\n",
    ),
}


@pytest.mark.parametrize("name", CONVERSATIONS)
def test_text(processor, name):
    conversation, expected = CONVERSATIONS[name]
    assert processor.apply_chat_template(conversation) == expected
    prompt = processor.apply_chat_template(conversation, add_generation_prompt=True)
    assert prompt == expected + "<|im_start|>assistant\n"


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
@pytest.mark.parametrize("is_small_model", [False, True], ids=["of the processor", "of the small model"])
def test_servers_find_that_content_has_parts(family, is_small_model):
    """vLLM and SGLang look for a loop over a message's content in the syntax tree, and take all else for a template of texts."""
    template = sys.modules[family.processor_class.__module__].CHAT_TEMPLATE
    if is_small_model:
        template = (SMALL_MODELS[family.name] / "chat_template.jinja").read_text("utf-8")
    syntax = chat_template_utils._compile_jinja_template("").environment.parse(template)
    [messages] = [loop for loop in syntax.find_all(nodes.For) if loop.iter == nodes.Name("messages", "load")]
    content = nodes.Getattr(nodes.Name(messages.target.name, "load"), "content", "load")
    assert [loop.iter for loop in messages.find_all(nodes.For) if loop.target.name == "part"] == [content]


@pytest.mark.parametrize("content", ["A dog, ", [text("A dog, ")]], ids=["string", "parts"])
def test_final_message_is_continued(processor, content):
    prompt = processor.apply_chat_template([user(text("Hi")), assistant(content)], continue_final_message=True)
    assert prompt == SYSTEM + "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nA dog, "


@pytest.mark.parametrize(
    "part, message",
    [
        ({"type": "audio", "audio": "a.wav"}, "has the type 'audio': use 'text', 'image' or 'video'"),
        ("What?", "must be a dictionary such as .*, got str 'What\\?'"),
        ({}, "has the type None: use 'text', 'image' or 'video'"),
    ],
)
def test_unknown_part(processor, part, message):
    with pytest.raises(ValueError, match=f"Part 0 of message 0 {message}"):
        processor.apply_chat_template([user(part)])


def test_tokens(processor):
    inputs = processor.apply_chat_template(
        [user(IMAGE, VIDEO, text("What?"))],
        add_generation_prompt=True,
        tokenize=True,
        return_dict=True,
        return_tensors="pt",
    )
    pieces = [SYSTEM + "<|im_start|>user\n", "\n", "\nWhat?<|im_end|>\n<|im_start|>assistant\n"]
    before, between, after = (processor.tokenizer(piece).input_ids for piece in pieces)
    image, video = [processor.image_token_id] * 3, [processor.video_token_id] * 5
    assert inputs["input_ids"].tolist() == [before + image + between + video + after]
    assert inputs["attention_mask"].all()
    assert inputs["pixel_values"].shape == (1, 3, 8, 8)
    assert inputs["pixel_values_videos"].shape == inputs["context_pixel_values_videos"].shape == (1, 2, 3, 8, 8)


def test_batch(processor):
    conversations = [[user(VIDEO, text("What is it?"))], [user(text("Hi"))], [user(IMAGE, VIDEO, text("Same?"))]]
    options = {"tokenize": True, "return_dict": True, "return_tensors": "pt"}
    batch = processor.apply_chat_template(conversations, processor_kwargs={"padding": True}, **options)
    for ids, mask, conversation in zip(batch["input_ids"], batch["attention_mask"], conversations, strict=True):
        single = processor.apply_chat_template(conversation, **options)
        assert ids[mask.bool()].tolist() == single["input_ids"][0].tolist()
        assert mask.tolist() == sorted(mask.tolist())  # padded on the left
    assert batch["pixel_values_videos"].shape[0] == 2
    assert batch["pixel_values"].shape[0] == 1


def test_assistant_tokens_are_the_answers_and_their_ends(processor):
    inputs = processor.apply_chat_template(
        [user(VIDEO, text("What?")), assistant("A dog."), user(IMAGE, text("Where?")), assistant([text("There.")])],
        tokenize=True,
        return_dict=True,
        return_assistant_tokens_mask=True,
        return_tensors="pt",
    )
    mask = torch.as_tensor(inputs["assistant_masks"]).bool()
    assert processor.decode(inputs["input_ids"][mask]) == "A dog.<|im_end|>There.<|im_end|>"


def test_options_of_the_processor(processor):
    video = {"type": "video", "video": [Image.new("RGB", (20, 20))] * 9}
    inputs = processor.apply_chat_template(
        [user(video)],
        tokenize=True,
        return_dict=True,
        processor_kwargs={
            "video_metadata": [{"total_num_frames": 9, "fps": 3.0}],
            "start_seconds": 2,
            "return_metadata": True,
        },
    )
    assert inputs["video_metadata"][0].frames_indices == [6, 8]


def test_conversation_is_not_modified(processor):
    conversation = [user(IMAGE, VIDEO, text("What?")), assistant([text("A")])]
    before = repr(conversation)
    processor.apply_chat_template(conversation, tokenize=True, return_dict=True)
    assert repr(conversation) == before
