# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""A small checkpoint with untrained weights, with the flat config and the names of weights of the published ones."""

import json
import os
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import Qwen2Tokenizer

from transformers_mvgpt import MobileVideoGPTConfig, MobileVideoGPTForConditionalGeneration


SPECIAL_TOKENS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|image_pad|>", "<|video_pad|>"]
TEXT = "What is moving? A red square moves from left to right, and a blue disc moves from top to bottom."


def write_checkpoint(folder: str | os.PathLike, seed: int = 0) -> None:
    """
    Writes `config.json`, `model.safetensors` and the tokenizer's files into `folder`, which is made if need be.

    The model takes 16 frames and makes 2402 rows of them as the published models do, but is narrow and shallow.
    `seed` draws the weights; the global generator is left as it was.
    """
    folder = Path(folder)
    tokenizer = _make_tokenizer()
    release_config = _release_config(tokenizer)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        model = MobileVideoGPTForConditionalGeneration(MobileVideoGPTConfig.from_dict(release_config))
    model.generation_config.max_new_tokens = 20  # noise has no end
    model.save_pretrained(folder, save_original_format=True)
    tokenizer.save_pretrained(folder)
    (folder / "config.json").write_text(json.dumps(release_config, indent=2) + "\n", encoding="utf-8")


def _make_tokenizer() -> Qwen2Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
    tokenizer.train_from_iterator([TEXT], trainer)
    model = json.loads(tokenizer.to_str())["model"]
    merges = [tuple(pair) for pair in model["merges"]]
    return Qwen2Tokenizer(
        vocab=model["vocab"], merges=merges, eos_token="<|im_end|>", extra_special_tokens=SPECIAL_TOKENS
    )


def _release_config(tokenizer: Qwen2Tokenizer) -> dict[str, Any]:
    ids = dict(zip(SPECIAL_TOKENS, tokenizer.convert_tokens_to_ids(SPECIAL_TOKENS), strict=True))
    return {
        "model_type": "MobileVideoGPT_qwen",
        "architectures": ["MobileVideoGPTQwenForCausalLM"],
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 4096,
        "vocab_size": len(tokenizer),
        "tie_word_embeddings": False,
        "bos_token_id": ids["<|endoftext|>"],
        "eos_token_id": ids["<|im_end|>"],
        "image_token_id": ids["<|image_pad|>"],
        "video_token_id": ids["<|video_pad|>"],
        "mm_projector_type": "etp",
        "image_mm_projector_type": "etp",
        "mm_vision_select_layer": -2,
        "mm_vision_select_feature": "patch",
        "vision_config": {
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
        },
        "video_config": {"hidden_size": 64, "num_hidden_layers": 2},
    }
