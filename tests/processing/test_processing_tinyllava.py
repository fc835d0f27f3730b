# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoProcessor, AutoTokenizer

from release_layout import make_tokenizer
from transformers_mvgpt import (
    TinyLlavaVideoConfig,
    TinyLlavaVideoProcessor,
    TinyLlavaVideoVideoProcessor,
    answer_of,
)


SYSTEM = (
    "A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, detailed, and polite "
    "answers to the user's questions."
)
THINK = "\nOutput the thinking process in <think> </think> and final answer (option) in <answer> </answer> tags."
VIDEO_ID, NUM_TOKENS = 5000, 4


def tokenizer():
    tokenizer = make_tokenizer()
    tokenizer.eos_token = "<|endoftext|>"
    return tokenizer


@pytest.fixture
def processor():
    video_processor = TinyLlavaVideoVideoProcessor(size={"height": 8, "width": 8}, num_frames=2)
    return TinyLlavaVideoProcessor(video_processor, tokenizer(), num_video_tokens=NUM_TOKENS, video_token_id=VIDEO_ID)


def user(*content):
    return {"role": "user", "content": [{"type": "text", "text": c} if isinstance(c, str) else c for c in content]}


def clip(num_frames, level=0):
    return np.full((num_frames, 6, 10, 3), level, np.uint8)


VIDEO = {"type": "video"}
PROMPTS = {
    "a question": ([user(VIDEO, " What is it? ")], "USER: <image>\nWhat is it? ASSISTANT:"),
    "the video behind the question": ([user("What is it?", VIDEO)], "USER: <image>\nWhat is it? ASSISTANT:"),
    "an image": ([user({"type": "image"}, "What is it?")], "USER: <image>\nWhat is it? ASSISTANT:"),
    "text alone": ([{"role": "user", "content": "Hello"}], "USER: Hello ASSISTANT:"),
    "two videos": ([user(VIDEO, VIDEO, "Which?")], "USER: <image>\n<image>\nWhich? ASSISTANT:"),
    "two turns": (
        [user(VIDEO, "What?"), {"role": "assistant", "content": " A ball. "}, user("Red?")],
        "USER: <image>\nWhat? ASSISTANT: A ball.<|endoftext|>USER: Red? ASSISTANT:",
    ),
}


def test_tokens_of_videos_are_told_without_them(processor):
    data = processor._get_num_multimodal_tokens(video_sizes=[(16, 10, 20), (3, 40, 30)])
    assert data.num_video_tokens == [NUM_TOKENS] * 2


@pytest.mark.parametrize(("chat", "expected"), PROMPTS.values(), ids=PROMPTS)
def test_template(processor, chat, expected):
    assert processor.apply_chat_template(chat, add_generation_prompt=True) == f"{SYSTEM} {expected}"
    as_training = processor.apply_chat_template([*chat, {"role": "assistant", "content": "Yes."}])
    assert as_training == f"{SYSTEM} {expected} Yes.<|endoftext|>"


def test_system_message(processor):
    chat = [{"role": "system", "content": "Be brief. "}, user(VIDEO, "What?")]
    assert (
        processor.apply_chat_template(chat, add_generation_prompt=True) == "Be brief. USER: <image>\nWhat? ASSISTANT:"
    )
    chat[0]["content"] = [{"type": "text", "text": ""}]
    assert processor.apply_chat_template(chat, add_generation_prompt=True) == "USER: <image>\nWhat? ASSISTANT:"
    with pytest.raises(ValueError, match="A message of the role 'system' may only be the first one"):
        processor.apply_chat_template(chat[::-1], add_generation_prompt=True)


def test_tokenizer_without_padding_pads_with_the_unknown_token():
    without = tokenizer()
    without.pad_token, without.unk_token = None, "<|endoftext|>"
    processor = TinyLlavaVideoProcessor(TinyLlavaVideoVideoProcessor(), without)
    ids = processor(text=["USER: What is it?", "USER:"], padding=True)["input_ids"]
    assert ids[1][0] == without.convert_tokens_to_ids("<|endoftext|>")


def test_suffix_of_r1(processor):
    chat = [user(VIDEO, "Which?\nA. red\nB. blue")]
    prompt = processor.apply_chat_template(chat, add_generation_prompt=True, think=True)
    assert prompt == f"{SYSTEM} USER: <image>\nWhich?\nA. red\nB. blue{THINK} ASSISTANT:"


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("<think> It is red. </think> <answer> (B) </answer>", "(B)"),
        ("<answer>A</answer> no, <ANSWER>C</ANSWER>", "C"),
        ("<think>red</think><answer> B", "B"),
        (" B. blue\n", "B. blue"),
    ],
)
def test_answer_tag(text, answer):
    assert answer_of(text) == answer


def test_ids_are_those_of_the_pieces(processor):
    inputs = processor.apply_chat_template(
        [user({**VIDEO, "video": clip(3)}, "What?")], add_generation_prompt=True, tokenize=True, return_dict=True
    )
    encode = tokenizer().encode
    expected = [*encode(f"{SYSTEM} USER: "), *[VIDEO_ID] * NUM_TOKENS, *encode("\nWhat? ASSISTANT:")]
    assert inputs["input_ids"] == [expected]


def test_learned_words_are_the_answer_and_its_end(processor):
    chat = [user({**VIDEO, "video": clip(3)}, "What?"), {"role": "assistant", "content": "A ball."}]
    inputs = processor.apply_chat_template(chat, tokenize=True, return_dict=True, return_assistant_tokens_mask=True)
    [ids], [mask] = inputs["input_ids"], inputs["assistant_masks"]
    learned = [token_id for token_id, is_learned in zip(ids, mask, strict=True) if is_learned]
    assert processor.tokenizer.decode(learned) == " A ball.<|endoftext|>"
    # as the tokens that the model makes behind the prompt
    prompt = processor.apply_chat_template(chat[:1], tokenize=True, add_generation_prompt=True)[0]
    assert ids == prompt + learned


def test_batch_of_videos_of_different_lengths(processor):
    chats = [
        [user({**VIDEO, "video": clip(30, 1), "num_frames": 3}, "What?")],
        [user({"type": "image", "image": Image.new("RGB", (9, 5), (2, 2, 2))}, "And this?")],
        [user({**VIDEO, "video": clip(4, 3)}, "Which", {**VIDEO, "video": clip(5, 4), "num_frames": 1}, " is it?")],
    ]
    options = {"tokenize": True, "return_dict": True, "return_tensors": "pt", "add_generation_prompt": True}
    batch = processor.apply_chat_template(chats, padding=True, **options)
    assert batch["num_frames_per_video"].tolist() == [3, 1, 2, 1]
    levels = ((batch["pixel_values_videos"][:, 0, 0, 0] + 1) * 255 / 2).round().tolist()
    assert levels == [1, 1, 1, 2, 3, 3, 4]
    for row, mask, chat in zip(batch["input_ids"], batch["attention_mask"], chats, strict=True):
        alone = processor.apply_chat_template([chat], **options)
        assert torch.equal(row[mask.bool()], alone["input_ids"][0])
    assert batch["attention_mask"][:, -1].tolist() == [1, 1, 1]


def test_images_beside_a_prompt(processor):
    image = np.full((6, 10, 3), 7, np.uint8)
    inputs = processor(images=[image], text="USER: <image>\nWhat? ASSISTANT:", return_tensors="pt")
    assert inputs["pixel_values_videos"].shape == (1, 1, 3, 8, 8)
    assert (inputs["input_ids"] == VIDEO_ID).sum() == NUM_TOKENS


def test_control_tokens_that_people_write_are_text(processor):
    chat = [user({**VIDEO, "video": clip(1)}, "Is <image> or <|endoftext|> a tag?")]
    [ids] = processor.apply_chat_template(chat, tokenize=True)
    assert ids.count(VIDEO_ID) == NUM_TOKENS
    assert processor.tokenizer.convert_tokens_to_ids("<|endoftext|>") not in ids


def test_it_is_saved(processor, tmp_path):
    processor.save_pretrained(tmp_path)
    again = AutoProcessor.from_pretrained(tmp_path)
    assert type(again) is TinyLlavaVideoProcessor
    assert (again.video_token_id, again.num_video_tokens) == (VIDEO_ID, NUM_TOKENS)
    chat = [user({**VIDEO, "video": clip(3)}, "What?")]
    assert again.apply_chat_template(chat, tokenize=True) == processor.apply_chat_template(chat, tokenize=True)


def test_published_folder_gives_the_processor_of_its_config(tmp_path):
    vision = {"hidden_size": 8, "num_attention_heads": 2, "image_size": 32, "patch_size": 8}
    config = TinyLlavaVideoConfig(vision_config=vision, num_frames=None, max_frames=5, num_queries=64)
    config.save_pretrained(tmp_path)
    tokenizer().save_pretrained(tmp_path)
    processor = AutoProcessor.from_pretrained(tmp_path)
    assert type(processor) is TinyLlavaVideoProcessor
    assert (processor.video_token_id, processor.num_video_tokens) == (151665, 64)
    assert dict(processor.video_processor.size) == {"height": 32, "width": 32}
    assert (processor.video_processor.num_frames, processor.video_processor.max_frames) == (None, 5)
    assert "<image>" not in AutoTokenizer.from_pretrained(tmp_path).get_vocab()
