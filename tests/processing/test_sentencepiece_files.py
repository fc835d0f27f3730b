# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""SentencePiece's `tokenizer.model` gives the tokenizer that its pieces are of."""

import json
from pathlib import Path

import pytest
from transformers.tokenization_utils_base import generate_merges

from piece_processors import llama_tokenizer
from sentencepiece_models import UNIGRAM, sentencepiece_model
from transformers_mvgpt.processing.sentencepiece_files import load_tokenizer


TEXTS = ("USER: Is it red?", "  A é\n", "Is it</s>USER: A", "")


def write_tokenizer(folder: Path, content: bytes, **config) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tokenizer.model").write_bytes(content)
    names = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "LlamaTokenizer", **names, **config}))
    (folder / "special_tokens_map.json").write_text(json.dumps({**names, "pad_token": "<unk>"}))
    return folder


@pytest.fixture
def pieces() -> list[str]:
    vocabulary = llama_tokenizer().get_vocab()
    return sorted(vocabulary, key=vocabulary.__getitem__)


def test_it_is_the_tokenizer_of_the_pieces(tmp_path, pieces):
    tokenizer = load_tokenizer(write_tokenizer(tmp_path, sentencepiece_model(pieces)), padding_side="left")
    expected = llama_tokenizer()
    expected.backend_tokenizer.model.dropout = None
    assert tokenizer.get_vocab() == expected.get_vocab()
    merges = [tuple(merge) for merge in json.loads(tokenizer.backend_tokenizer.to_str())["model"]["merges"]]
    assert merges == generate_merges(expected.get_vocab())
    assert (tokenizer.pad_token, tokenizer.padding_side) == ("<unk>", "left")
    for text in TEXTS:
        assert tokenizer(text).input_ids == expected(text).input_ids, text
    tokenizer.save_pretrained(tmp_path / "saved")
    again = load_tokenizer(tmp_path / "saved")
    assert [again(text).input_ids for text in TEXTS] == [tokenizer(text).input_ids for text in TEXTS]
    assert str(tmp_path) not in (tmp_path / "saved" / "tokenizer_config.json").read_text()


def test_what_is_added_to_a_text(tmp_path, pieces):
    folder = write_tokenizer(tmp_path, sentencepiece_model(pieces), add_bos_token=False, add_eos_token=True)
    ids = load_tokenizer(folder)("USER").input_ids
    assert ids == [pieces.index("▁USER"), pieces.index("</s>")]


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"\xff", "is damaged: it cannot be read"),
        (b"version https://git-lfs.github.com/spec/v1", "is damaged: it cannot be read"),
        (b"", "is no tokenizer of Llama's kind"),
        (sentencepiece_model(["a", "b"], UNIGRAM), "is no tokenizer of Llama's kind"),
        (sentencepiece_model(["a", "b"])[:6], "is damaged: it cannot be read"),
        (b"\xff" * 99, r"is damaged: it cannot be read \(its byte 10 is not what it should be\)"),
        (sentencepiece_model(["a" * 300]), r"is damaged: it cannot be read \(a piece has more than 256 characters\)"),
    ],
    ids=["no byte follows", "text", "empty", "unigram", "cut off", "endless number", "long piece"],
)
def test_files_of_another_kind(tmp_path, content, error):
    with pytest.raises(ValueError, match=f"tokenizer.model {error}"):
        load_tokenizer(write_tokenizer(tmp_path, content))
