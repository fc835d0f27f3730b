# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
from train_demo.trained_tokenizers import train_llama_tokenizer, train_qwen2_tokenizer


TEXTS = ["Is the red ring above or below the circle?", "above"]


def test_llama_tokenizer_knows_words_and_falls_back_to_bytes():
    tokenizer = train_llama_tokenizer(TEXTS)

    def tokens(text):
        return tokenizer.convert_ids_to_tokens(tokenizer(text)["input_ids"])

    assert tokens("Is the circle") == ["▁Is", "▁the", "▁circle"]
    # a text begins with a blank, also one that begins with a line break, which is a byte
    assert tokens("\nIs the, ring?") == ["▁", "<0x0A>", "Is", "▁the", "<0x2C>", "▁ring", "?"]
    assert tokenizer.decode(tokenizer("Is é the\nring?")["input_ids"]) == "Is é the\nring?"
    assert (tokenizer.unk_token_id, tokenizer.bos_token_id, tokenizer.eos_token_id) == (0, 1, 2)


def test_qwen2_tokenizer_knows_words_and_its_control_tokens():
    tokenizer = train_qwen2_tokenizer(TEXTS, ["<end>", "<image>"], eos_token="<end>", pad_token="<end>")
    ids = tokenizer("Is the ring<image> below<end>")["input_ids"]
    assert tokenizer.convert_ids_to_tokens(ids) == ["Is", "Ġthe", "Ġring", "<image>", "Ġbelow", "<end>"]
    assert tokenizer.eos_token_id == tokenizer.pad_token_id == ids[-1]
