# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Small tokenizers of the two kinds that the language models of the families have."""

import json
from collections.abc import Iterable

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaTokenizer, Qwen2Tokenizer


_LLAMA_TOKENS = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]


def train_qwen2_tokenizer(
    texts: Iterable[str], special_tokens: list[str], *, eos_token: str, pad_token: str
) -> Qwen2Tokenizer:
    """A tokenizer of bytes, in which each word of the texts is a token."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
    vocab, merges = _train(tokenizer, trainer, texts)
    return Qwen2Tokenizer(
        vocab=vocab,
        merges=merges,
        eos_token=eos_token,
        pad_token=pad_token,
        extra_special_tokens=special_tokens,
        padding_side="left",
    )


def train_llama_tokenizer(texts: Iterable[str]) -> LlamaTokenizer:
    """
    A tokenizer as SentencePiece makes them: a text begins with a blank, each word of the texts with the blank before it is a
    token, and what the texts do not have falls back to bytes. They have no line breaks, so that these are bytes as well.
    """
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True))
    blanks = pre_tokenizers.Metaspace(prepend_scheme="first")
    # a mark of punctuation is a token of its own, or each word would be several tokens
    marks = pre_tokenizers.Split(Regex(r"[.,:?]"), "isolated")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([blanks, marks])
    trainer = trainers.BpeTrainer(special_tokens=_LLAMA_TOKENS, show_progress=False)
    vocab, merges = _train(tokenizer, trainer, texts)
    return LlamaTokenizer(vocab=vocab, merges=merges, pad_token="<unk>", padding_side="left")


def _train(
    tokenizer: Tokenizer, trainer: trainers.BpeTrainer, texts: Iterable[str]
) -> tuple[dict[str, int], list[tuple[str, str]]]:
    tokenizer.train_from_iterator(texts, trainer)
    model = json.loads(tokenizer.to_str())["model"]
    return model["vocab"], [tuple(pair) for pair in model["merges"]]
