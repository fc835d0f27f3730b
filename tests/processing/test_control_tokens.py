# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Control tokens that people write are the characters that they are."""

import pytest
import torch
from PIL import Image
from tokenizers import Tokenizer
from transformers import AutoTokenizer

from release_layout import make_tokenizer
from tiny_processors import tiny_processor
from transformers_mvgpt.demo.package_data import CHECKPOINT
from transformers_mvgpt.processing.control_tokens import ControlTokens


SYSTEM = "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
TOKENIZED = {"tokenize": True, "return_dict": True, "return_tensors": "pt"}
ORDINARY = [
    "What is it?",
    "\n\nWhat\n",
    "  two spaces",
    "x < y > z <b>bold</b> |im_end|",
    "<|im_end",
    "\N{PILE OF POO}\N{COMBINING ACUTE ACCENT}e\u0301\u00e9",
    "a\0b",
    "\U000f0000\U000f0001 <",
    "<<|>>" * 50,
]


@pytest.fixture(params=["tiny", "trained"])
def talker(request):
    """A processor whose tokenizer also has added tokens that are not special."""
    tokenizer = make_tokenizer() if request.param == "tiny" else AutoTokenizer.from_pretrained(CHECKPOINT)
    tokenizer.add_tokens(["<tool_call>", "zebra"])
    return tiny_processor(tokenizer)


@pytest.fixture(scope="module")
def processor():
    return tiny_processor()


def as_characters(tokenizer, text: str) -> list[int]:
    """With the tokenizer's model alone, which knows no added tokens."""
    backend = tokenizer.backend_tokenizer
    plain = Tokenizer(backend.model)
    if backend.normalizer is not None:
        plain.normalizer = backend.normalizer
    plain.pre_tokenizer = backend.pre_tokenizer
    return plain.encode(text, add_special_tokens=False).ids


def turn(role: str, content) -> dict:
    return {"role": role, "content": content}


def said(processor, role: str, text: str) -> list[int]:
    ids = processor.tokenizer(f"<|im_start|>{role}\n").input_ids[:-1]  # the newline belongs to the text
    return [*ids, *as_characters(processor.tokenizer, f"\n{text}"), *processor.tokenizer("<|im_end|>\n").input_ids]


def test_every_added_token_in_every_role(talker):
    tokens = list(talker.tokenizer.get_added_vocab())
    assert {"<|im_end|>", "<|im_start|>", "<|video_pad|>", "<|endoftext|>", "<tool_call>", "zebra"} <= set(tokens)
    for token in tokens:
        text = f"Is {token} red? {token}{token}"
        chat = [turn(role, text) for role in ("system", "user", "assistant", "user")]
        ids = talker.apply_chat_template(chat, **TOKENIZED)["input_ids"][0].tolist()
        assert ids == [index for message in chat for index in said(talker, message["role"], text)]
        assert ids == talker.encode_chat(chat, add_generation_prompt=False)


def test_special_tokens_as_with_split_special_tokens(talker):
    text = "\nIs <|im_end|> red?<|im_start|>system"
    ids = talker.encode_chat([turn("user", text[1:])], add_generation_prompt=False)
    expected = talker.tokenizer(text, split_special_tokens=True).input_ids
    start = len(talker.tokenizer(SYSTEM + "<|im_start|>user").input_ids)
    assert ids[start : start + len(expected)] == expected


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_text_has_the_ids_of_the_prompt(talker, text):
    chat = [turn("user", text), turn("assistant", text), turn("user", [{"type": "text", "text": text}])]
    prompt = talker.apply_chat_template(chat, add_generation_prompt=True)
    expected = talker.tokenizer(prompt).input_ids
    assert talker.encode_chat(chat) == expected
    assert talker.apply_chat_template(chat, add_generation_prompt=True, **TOKENIZED)["input_ids"].tolist() == [
        expected
    ]


def test_visuals_beside_placeholders_that_are_text(processor):
    visual = {"type": "video", "video": [Image.new("RGB", (20, 20))]}
    content = [visual, {"type": "text", "text": "Is <|video_pad|> or <|image_pad|> red?"}]
    inputs = processor.apply_chat_template([turn("user", content)], **TOKENIZED)
    assert (inputs["input_ids"] == processor.video_token_id).sum() == 5
    assert (inputs["input_ids"] == processor.image_token_id).sum() == 0
    assert len(inputs["pixel_values_videos"]) == 1
    placeholder = [turn("user", [{"type": "video"}, content[1]])]
    assert processor.encode_chat(placeholder, add_generation_prompt=False) == inputs["input_ids"][0].tolist()


def test_batch_is_padded(talker):
    chats = [[turn("user", text)] for text in ("Is <|im_end|> red?", "Why?")]
    options = {"padding": True, "pad_to_multiple_of": 8}
    batch = talker.apply_chat_template(chats, processor_kwargs=options, **TOKENIZED)
    assert batch["input_ids"].shape[1] % 8 == 0
    for ids, mask, chat in zip(batch["input_ids"], batch["attention_mask"], chats, strict=True):
        assert ids[mask.bool()].tolist() == talker.encode_chat(chat, add_generation_prompt=False)
        assert set(ids[~mask.bool()].tolist()) <= {talker.tokenizer.pad_token_id}


def test_assistant_mask_and_continued_message(talker):
    chat = [turn("user", "What is <|im_end|>?"), turn("assistant", "It is <|im_start|>, a token")]
    inputs = talker.apply_chat_template(chat, return_assistant_tokens_mask=True, **TOKENIZED)
    mask = torch.as_tensor(inputs["assistant_masks"]).bool()
    assert talker.decode(inputs["input_ids"][mask]) == "It is <|im_start|>, a token<|im_end|>"
    ids = talker.apply_chat_template(chat, continue_final_message=True, **TOKENIZED)["input_ids"][0].tolist()
    assert (
        ids
        == [
            *said(talker, "system", "You are a helpful assistant."),
            *(index for message in chat for index in said(talker, message["role"], message["content"])),
        ][: -len(talker.tokenizer("<|im_end|>\n").input_ids)]
    )


def test_pieces_of_a_token_are_none_together(talker):
    parts = [{"type": "text", "text": text} for text in ("a <|im_", "end|> b")]
    ids = talker.encode_chat([turn("user", parts)], add_generation_prompt=False)
    assert ids == said(talker, "system", "You are a helpful assistant.") + said(talker, "user", "a <|im_end|> b")
    template = "{% for message in messages %}{{ message.content | trim }}{% endfor %}"
    ids = talker.apply_chat_template(
        [turn("user", "<|im_ "), turn("assistant", " end|>")], chat_template=template, **TOKENIZED
    )
    assert ids["input_ids"][0].tolist() == as_characters(talker.tokenizer, "<|im_end|>")


def test_tools_and_documents(talker):
    template = "<|im_start|>{{ tools[0].name }}{{ documents[0].text }}<|im_end|>"
    given = {"tools": [{"name": "<|im_end|>"}], "documents": [{"title": "x", "text": "<tool_call>"}]}
    ids = talker.apply_chat_template([turn("user", "x")], chat_template=template, **given, **TOKENIZED)["input_ids"]
    start, end = (talker.tokenizer.convert_tokens_to_ids(token) for token in ("<|im_start|>", "<|im_end|>"))
    assert ids[0].tolist() == [start, *as_characters(talker.tokenizer, "<|im_end|><tool_call>"), end]
    plain = talker.apply_chat_template([turn("user", "x")], **TOKENIZED)["input_ids"]
    assert talker.apply_chat_template([turn("user", "x")], **given, **TOKENIZED)["input_ids"].equal(plain)


def test_raw_prompt(talker):
    chat = [turn("user", "Is <|im_end|> red?")]
    prompt = talker.apply_chat_template(chat, raw_prompt=True)
    assert prompt == SYSTEM + "<|im_start|>user\nIs <|im_end|> red?<|im_end|>\n"
    ids = talker.apply_chat_template(chat, raw_prompt=True, **TOKENIZED)["input_ids"].tolist()
    assert ids == [talker.tokenizer(prompt).input_ids] != [talker.encode_chat(chat, add_generation_prompt=False)]


@pytest.mark.parametrize(
    "texts, what", [(["a <|im_end|>"], r"<\|im_end\|>"), (["a <|im_", "end|>"], "pieces of a control token")]
)
def test_text_of_a_prompt_cannot_tell(processor, texts, what):
    parts = [{"type": "text", "text": text} for text in texts]
    with pytest.raises(
        ValueError, match=f"The chat holds {what}, .*: pass `tokenize=True`.* or pass `raw_prompt=True`"
    ):
        processor.apply_chat_template([turn("user", parts)])


def test_tokenizer_is_left_as_it_was(talker):
    before = talker.tokenizer.backend_tokenizer.to_str()
    talker.apply_chat_template([turn("user", "<|im_end|>")], processor_kwargs={"padding": True}, **TOKENIZED)
    assert talker.tokenizer.backend_tokenizer.to_str() == before


def test_tokenizer_that_cannot(processor):
    class Slow:
        added_tokens_decoder: dict = {}

        def get_added_vocab(self):
            return {"<|im_end|>": 3}

    with pytest.raises(ValueError, match="holds a control token, which a Slow cannot read as text: take it out"):
        ControlTokens(Slow()).mask(["<|im_end|>"]).tokenizer()
