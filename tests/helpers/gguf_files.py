# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""What llama.cpp makes of a GGUF file, and what it is asked."""

import ctypes
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch

from transformers_mvgpt.runtime.llama_cpp import LlamaCppLanguageModel
from transformers_mvgpt.runtime.llama_library import llama_library


def llama_tokens(file: Path, texts: list[str]) -> list[list[int]]:
    """The tokens that llama.cpp makes of texts, by the vocabulary of a file."""
    library = llama_library()
    library.llama_tokenize.restype = ctypes.c_int32
    params = library.llama_model_default_params()
    params.vocab_only = True
    model = library.llama_model_load_from_file(os.fsencode(file), params)
    assert model
    vocabulary = library.llama_model_get_vocab(model)
    found = []
    for text in texts:
        data = text.encode()
        ids = (ctypes.c_int32 * (len(data) + 8))()
        found.append(ids[: library.llama_tokenize(vocabulary, data, len(data), ids, len(ids), True, True)])
    library.llama_model_free(model)
    return found


def open_language_model(file: Path, folder: Path, **options: Any) -> LlamaCppLanguageModel:
    """The language model of a file, with the config and tokenizer of a native folder."""
    config = json.loads((folder / "config.json").read_text())["text_config"]
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    vocabulary = tokenizer["model"]["vocab"] | {token["content"]: token["id"] for token in tokenizer["added_tokens"]}
    return LlamaCppLanguageModel(file, text_config=config, vocabulary=vocabulary, num_threads=1, **options)


@torch.no_grad()
def prompt_embeddings(model: Any, inputs: Any) -> np.ndarray:
    """What the language model gets of a prompt with one visual, (tokens, width)."""
    outputs = model.model(**inputs)
    visual = outputs.image_hidden_states if outputs.video_hidden_states is None else outputs.video_hidden_states
    ids = inputs["input_ids"][0]
    is_visual = (
        (ids == model.config.image_token_id) if "pixel_values" in inputs else (ids == model.config.video_token_id)
    )
    embeddings = model.get_input_embeddings()(ids.masked_fill(is_visual, 0))
    embeddings[is_visual] = visual.flatten(0, -2)
    return embeddings.numpy()


def answer(model: LlamaCppLanguageModel, prompt: np.ndarray, num_tokens: int, cache: Any = None) -> list[int]:
    """The most likely tokens behind a prompt."""
    logits, cache = model.extend(cache, [prompt])
    ids = [int(logits[0].argmax())]
    while len(ids) < num_tokens:
        logits, cache = model.step(cache, np.array(ids[-1:]))
        ids.append(int(logits[0].argmax()))
    return ids
