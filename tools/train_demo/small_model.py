# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The published architecture in small, with fresh weights, and a tokenizer for the language of the drawn clips."""

from transformers import Qwen2Tokenizer

from transformers_mvgpt.demo.questions import make_questions
from transformers_mvgpt.demo.scene import make_scene
from transformers_mvgpt.modeling import MobileVideoGPTConfig
from transformers_mvgpt.processing import MobileVideoGPTProcessor

from .trained_tokenizers import train_qwen2_tokenizer
from .training_questions import MOMENT_QUESTION, describe_moment, make_practice_questions


SPECIAL_TOKENS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|image_pad|>", "<|video_pad|>"]
_NUM_SCENES_FOR_TOKENIZER = 400


def make_processor() -> MobileVideoGPTProcessor:
    """A processor for the model of [`make_config`]."""
    tokenizer = _make_tokenizer()
    return MobileVideoGPTProcessor.from_config(make_config(tokenizer), tokenizer)


def make_config(tokenizer: Qwen2Tokenizer) -> MobileVideoGPTConfig:
    """16 frames of 48 x 48 pixels, of which 8 are selected, in 16 * 9 + 2 * 16 = 176 tokens."""
    ids = dict(zip(SPECIAL_TOKENS, tokenizer.convert_tokens_to_ids(SPECIAL_TOKENS), strict=True))
    return MobileVideoGPTConfig(
        vision_config={
            "hidden_size": 128,
            "intermediate_size": 384,
            "num_hidden_layers": 4,
            "num_attention_heads": 4,
            "image_size": 48,
            "patch_size": 8,
        },
        video_config={
            "hidden_size": 64,
            "num_hidden_layers": 3,
            "state_size": 8,
            "image_size": 48,
            "patch_size": 8,
            "clip_decoder_size": None,
        },
        text_config={
            "model_type": "qwen2",
            "vocab_size": len(tokenizer),
            "hidden_size": 128,
            "intermediate_size": 384,
            "num_hidden_layers": 4,
            "num_attention_heads": 4,
            "num_key_value_heads": 4,
            "max_position_embeddings": 1024,
            "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0},
            "tie_word_embeddings": True,
            "bos_token_id": ids["<|endoftext|>"],
            "eos_token_id": ids["<|im_end|>"],
            "pad_token_id": ids["<|endoftext|>"],
        },
        image_grid_size=3,
        video_grid_size=4,
        image_token_id=ids["<|image_pad|>"],
        video_token_id=ids["<|video_pad|>"],
    )


def _make_tokenizer() -> Qwen2Tokenizer:
    texts = ["<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n<|im_start|>assistant\n"]
    for seed in range(_NUM_SCENES_FOR_TOKENIZER):
        scene = make_scene(seed)
        asked = make_questions(scene, seed) + make_practice_questions(scene, seed)
        texts += [f"{question.text}\n{question.answer}" for question in asked]
        texts.append(f"{MOMENT_QUESTION}\n{describe_moment(scene, 0.0)}")
    return train_qwen2_tokenizer(texts, SPECIAL_TOKENS, eos_token="<|im_end|>", pad_token="<|endoftext|>")
