# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Tokenizers as Llama's and Qwen2's, and a processor whose prompts are tokenized in pieces."""

from typing import Any

import numpy as np
from tokenizers.pre_tokenizers import ByteLevel
from transformers import AddedToken, CLIPImageProcessor, CodeGenTokenizer, LlamaTokenizer

from transformers_mvgpt.processing.vision_language_processor import VisionLanguageProcessor


IMAGE = "<image>"
NUM_IMAGE_TOKENS = 3
IMAGE_ID = 9000  # outside of either vocabulary
PICTURE = np.zeros((8, 8, 3), dtype=np.uint8)

_WORDS = ("▁USER", "Is", "▁it", "▁red", "▁A")

TEMPLATE = """\
{%- for message in messages -%}
    {%- set ns = namespace(text='') -%}
    {%- if message.content is string -%}
        {%- set ns.text = message.content -%}
    {%- else -%}
        {%- for part in message.content -%}
            {%- set ns.text = ns.text + ('<image>\\n' if part.type == 'image' else part.text) -%}
        {%- endfor -%}
    {%- endif -%}
    {%- if message.role == 'assistant' -%}
        {{- ' A: ' -}}
        {%- generation -%}
            {{- ns.text + eos_token -}}
        {%- endgeneration -%}
    {%- else -%}
        {{- 'USER: ' + ns.text -}}
    {%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{- ' A:' -}}
{%- endif -%}
"""


def llama_tokenizer() -> LlamaTokenizer:
    """Of SentencePiece's kind: a mark of space in front of a text, bytes where there is no piece, BOS."""
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁", *map(chr, range(33, 127))]
    merges: list[tuple[str, str]] = []
    for word in _WORDS:
        for end in range(2, len(word) + 1):
            merge = (word[: end - 1], word[end - 1])
            if word[:end] not in tokens:
                tokens.append(word[:end])
                merges.append(merge)
    vocabulary = {token: number for number, token in enumerate(tokens)}
    return LlamaTokenizer(vocab=vocabulary, merges=merges, add_bos_token=True, pad_token="<unk>")


def gpt2_tokenizer() -> CodeGenTokenizer:
    """Of Phi-2's kind: GPT-2's bytes and words, and tokens of several spaces that were added."""
    merges = [("Ġ", "t"), ("h", "e"), ("Ġt", "he"), ("i", "s"), ("Ġ", "is")]
    tokens = ["<|endoftext|>", *sorted(ByteLevel.alphabet()), *dict.fromkeys(map("".join, merges))]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    tokenizer = CodeGenTokenizer(vocab=vocabulary, merges=merges, pad_token="<|endoftext|>")
    tokenizer.add_tokens([AddedToken(" " * count, normalized=True) for count in (4, 3, 2)])
    return tokenizer


class PieceProcessor(VisionLanguageProcessor):
    placeholders = {"image": IMAGE}
    splits_at_placeholders = True

    def __init__(self, image_processor=None, tokenizer=None, chat_template=None, image_token_id=None):
        super().__init__(
            image_processor,
            tokenizer,
            chat_template=chat_template or TEMPLATE,
            num_tokens={"image": NUM_IMAGE_TOKENS},
            token_ids={"image": image_token_id},
        )


def piece_processor(tokenizer: Any) -> PieceProcessor:
    """Images of 8 pixels, each 3 tokens."""
    sizes: dict[str, Any] = {"size": {"shortest_edge": 8}, "crop_size": {"height": 8, "width": 8}}
    return PieceProcessor(CLIPImageProcessor(**sizes), tokenizer, image_token_id=IMAGE_ID)
