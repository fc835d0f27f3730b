# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Prompts that are tokenized in pieces, compared with the split that the published models were trained with."""

import copy
from typing import Any

import pytest
import torch

from piece_processors import (
    IMAGE,
    IMAGE_ID,
    NUM_IMAGE_TOKENS,
    PICTURE,
    PieceProcessor,
    llama_tokenizer,
    piece_processor,
)
from release_layout import make_tokenizer


TOKENIZERS = {"llama": llama_tokenizer, "qwen2": make_tokenizer}
VISUAL = [IMAGE_ID] * NUM_IMAGE_TOKENS
PROMPTS = {
    "in_the_middle": "USER: <image>\nIs it red? A:",
    "several": "<image> and <image>, <image>\n<image>. Is é?",
    "adjacent": "It <image><image>\nIs",
    "at_the_start": "<image>It is red.\n",
    "at_the_end": "It is <image>",
    "alone": "<image>",
    "none": "USER: Is it red?",
    "control_tokens": "USER: It</s><|im_end|>\n <image></s><|im_end|> USER: It",
}
QUESTION = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "Is it red?"}]}]
ANSWERED = [
    {"role": "user", "content": [{"type": "image", "image": PICTURE}, {"type": "text", "text": "Is it red?"}]},
    {"role": "assistant", "content": "yes."},
    {"role": "user", "content": [{"type": "image", "image": PICTURE}, {"type": "text", "text": "It?"}]},
    {"role": "assistant", "content": "It is."},
]


def split_ids(tokenizer: Any, prompt: str, visual: list[int]) -> list[int]:
    """Each piece tokenized on its own, the BOS of every piece but the first dropped, the visual put between them."""
    pieces = [tokenizer(piece).input_ids for piece in prompt.split(IMAGE)]
    ids = list(pieces[0])
    for piece in pieces[1:]:
        ids += visual + (piece[1:] if piece[:1] == [tokenizer.bos_token_id] else piece)
    return ids


@pytest.fixture(params=TOKENIZERS)
def tokenizer(request: pytest.FixtureRequest) -> Any:
    return TOKENIZERS[request.param]()


@pytest.fixture
def processor(tokenizer: Any) -> PieceProcessor:
    return piece_processor(copy.deepcopy(tokenizer))


@pytest.mark.parametrize("name", PROMPTS)
def test_pieces_are_tokenized_apart(processor, tokenizer, name):
    prompt = PROMPTS[name]
    inputs = processor(text=prompt, images=[PICTURE] * prompt.count(IMAGE) or None)
    assert inputs["input_ids"] == [split_ids(tokenizer, prompt, VISUAL)]
    assert inputs["attention_mask"] == [[1] * len(inputs["input_ids"][0])]


@pytest.mark.parametrize("name", PROMPTS)
def test_bos_in_front_is_that_of_the_tokenizer(processor, tokenizer, name):
    prompt = PROMPTS[name]
    if tokenizer.bos_token is None:
        pytest.skip("it has none")
    pictures = [PICTURE] * prompt.count(IMAGE) or None
    plain = processor(text=prompt, images=pictures, return_offsets_mapping=True)
    for add_special_tokens in (True, False):
        options = {"return_offsets_mapping": True, "add_special_tokens": add_special_tokens}
        inputs = processor(text=f"<s>{prompt}", images=pictures, **options)
        assert inputs["input_ids"] == plain["input_ids"]
        assert inputs["attention_mask"] == plain["attention_mask"]
        [[first, *others]], [[_, *without]] = inputs["offset_mapping"], plain["offset_mapping"]
        assert first == (0, 3)
        assert others == [(start + 3, end + 3) for start, end in without]


def test_it_is_not_the_whole_text_tokenized_at_once():
    """So that the others test something."""
    tokenizer, prompt = llama_tokenizer(), "USER: <image>\nIs it red? A:"
    processor = piece_processor(copy.deepcopy(tokenizer))
    ids = processor(text=prompt, images=[PICTURE])["input_ids"][0]
    tokens = tokenizer.convert_ids_to_tokens([token_id for token_id in ids if token_id != IMAGE_ID])
    assert tokens == "<s> ▁USER : ▁ ▁ <0x0A> Is ▁it ▁red ? ▁A :".split()
    at_once = processor.tokenizer.convert_ids_to_tokens(processor.tokenizer(prompt).input_ids)
    assert at_once == "<s> ▁USER : ▁ <image> <0x0A> Is ▁it ▁red ? ▁A :".split()


@pytest.mark.parametrize("side", ["left", "right", None])
def test_batch(processor, tokenizer, side):
    prompts = list(PROMPTS.values())
    options = {} if side is None else {"padding_side": side}
    num_images = sum(prompt.count(IMAGE) for prompt in prompts)
    inputs = processor(
        text=prompts,
        images=[PICTURE] * num_images,
        padding=True,
        return_tensors="pt",
        pad_to_multiple_of=8,
        return_special_tokens_mask=True,
        **options,
    )
    assert inputs["input_ids"].shape[1] % 8 == 0
    assert inputs["pixel_values"].shape[0] == num_images
    for prompt, ids, mask, special in zip(
        prompts, inputs["input_ids"], inputs["attention_mask"], inputs["special_tokens_mask"], strict=True
    ):
        expected = split_ids(tokenizer, prompt, VISUAL)
        assert ids[mask.bool()].tolist() == expected
        assert mask.tolist() == sorted(mask.tolist(), reverse=side == "right")
        assert set(ids[mask == 0].tolist()) <= {tokenizer.pad_token_id}
        begins_with_bos = expected[:1] == [tokenizer.bos_token_id]
        assert special[mask.bool()].tolist() == [int(begins_with_bos)] + [0] * (len(expected) - 1)


def test_padding_to_a_length(processor):
    inputs = processor(text=PROMPTS["alone"], images=[PICTURE], padding="max_length", max_length=9, return_length=True)
    assert [len(ids) for ids in inputs["input_ids"]] == inputs["length"] == [9]


def test_visual_that_is_cut(processor, tokenizer):
    prompt = PROMPTS["in_the_middle"]
    expected = split_ids(tokenizer, prompt, VISUAL)
    cut = processor(text=prompt, images=[PICTURE], truncation=True, max_length=len(expected) - 2)
    assert cut["input_ids"] == [expected[:-2]]
    with pytest.raises(ValueError, match=r"Mismatch in `image` token count .* ids=\[0\] and text=\[3\]"):
        processor(text=prompt, images=[PICTURE], truncation=True, max_length=2)


@pytest.mark.parametrize("option", [{"text_pair": "And?"}, {"stride": 2}, {"return_overflowing_tokens": True}])
def test_options_that_have_no_meaning(processor, option):
    with pytest.raises(
        ValueError, match=f"'{next(iter(option))}' cannot be used with a prompt that is tokenized in pie"
    ):
        processor(text=IMAGE, images=[PICTURE], **option)


def test_numbers_must_match(processor):
    with pytest.raises(ValueError, match="Found total 2 <image> tokens and 1 images"):
        processor(text=IMAGE * 2, images=[PICTURE])
    with pytest.raises(ValueError, match="Found 1 <image> tokens in the text but no images"):
        processor(text=IMAGE)


def test_chat(processor, tokenizer):
    prompt = "USER: <image>\nIs it red? A:"
    expected = split_ids(tokenizer, prompt, VISUAL)
    assert processor.apply_chat_template(QUESTION, add_generation_prompt=True) == prompt
    assert processor.encode_chat(QUESTION) == expected
    chat = [{"role": "user", "content": [{"type": "image", "image": PICTURE}, QUESTION[0]["content"][1]]}]
    options = {"add_generation_prompt": True, "tokenize": True, "return_dict": True, "return_tensors": "pt"}
    inputs = processor.apply_chat_template(chat, **options)
    assert inputs["input_ids"].tolist() == [expected]
    assert inputs["attention_mask"].all()


@pytest.mark.parametrize("said", ["<image>", "</s>", "<|im_end|>", "<s>"])
def test_control_tokens_that_are_said_stay_text(processor, tokenizer, said):
    chat = copy.deepcopy(QUESTION)
    chat[0]["content"][1]["text"] = f"Is {said} it?"
    ids = processor.encode_chat(chat)
    assert ids.count(IMAGE_ID) == NUM_IMAGE_TOKENS
    control = tokenizer.get_added_vocab()
    bos = [tokenizer.bos_token_id] if ids[0] == tokenizer.bos_token_id else []
    assert not set(ids[len(bos) :]) & set(control.values())
    words = ids[ids.index(IMAGE_ID) + NUM_IMAGE_TOKENS :]
    assert tokenizer.decode(words).strip() == f"Is {said} it? A:"
    chat[0]["content"][0]["image"] = PICTURE
    inputs = processor.apply_chat_template(chat, add_generation_prompt=True, tokenize=True, return_dict=True)
    assert inputs["input_ids"] == [ids]
    with pytest.raises(ValueError, match="would be a control token in the prompt"):
        processor.apply_chat_template([{"role": "user", "content": f"Is {IMAGE} it?"}])


def test_assistant_mask(processor):
    inputs = processor.apply_chat_template(
        [ANSWERED, ANSWERED[:2]],
        tokenize=True,
        return_dict=True,
        return_assistant_tokens_mask=True,
        return_tensors="pt",
        processor_kwargs={"padding": True},
    )
    eos = processor.tokenizer.eos_token
    for ids, mask, expected in zip(
        inputs["input_ids"],
        torch.as_tensor(inputs["assistant_masks"]),
        (f"yes.{eos}It is.{eos}", f"yes.{eos}"),
        strict=True,
    ):
        assert processor.decode(ids[mask.bool()]).replace(f"{eos} ", eos).strip() == expected


def test_token_type_ids_of_visuals(processor):
    inputs = processor(text=PROMPTS["at_the_start"], images=[PICTURE], return_mm_token_type_ids=True)
    [ids], [kinds] = inputs["input_ids"], inputs["mm_token_type_ids"]
    assert [kind == 1 for kind in kinds] == [token_id == IMAGE_ID for token_id in ids]


def test_saved_and_loaded(processor, tokenizer, tmp_path):
    processor.save_pretrained(tmp_path)
    loaded = PieceProcessor.from_pretrained(tmp_path)
    assert (loaded.image_token, loaded.image_token_id) == (IMAGE, IMAGE_ID)
    prompt = PROMPTS["several"]
    assert loaded(text=prompt, images=[PICTURE] * 4)["input_ids"] == [split_ids(tokenizer, prompt, VISUAL)]


def test_id_of_the_tokenizer_where_the_config_says_none(tokenizer):
    processor = PieceProcessor(piece_processor(copy.deepcopy(tokenizer)).image_processor, copy.deepcopy(tokenizer))
    assert processor.image_token_id == len(tokenizer)  # the first one that it does not use
    ids = processor(text=IMAGE, images=[PICTURE])["input_ids"][0]
    assert ids.count(len(tokenizer)) == NUM_IMAGE_TOKENS
