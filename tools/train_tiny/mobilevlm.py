# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""MobileVLM V2 in small, with fresh weights, and a tokenizer for the language of drawn pictures."""

from transformers import LlamaTokenizer

from train_demo.trained_tokenizers import train_llama_tokenizer
from train_demo.training_questions import describe_moment
from transformers_mvgpt.modeling.configuration_mobilevlm import MobileVLMConfig
from transformers_mvgpt.processing.processing_mobilevlm import MobileVLMProcessor

from .still_questions import make_picture, make_still_questions
from .system_prompt import SYSTEM_PROMPT


_NUM_SCENES_FOR_TOKENIZER = 400


def make_processor() -> MobileVLMProcessor:
    """A processor for the model of [`make_config`]."""
    tokenizer = _make_tokenizer()
    return MobileVLMProcessor.from_config(make_config(tokenizer), tokenizer)


def make_config(tokenizer: LlamaTokenizer) -> MobileVLMConfig:
    """Pictures of 48 x 48 pixels in 36 patches, of each of which the projector makes a token."""
    return MobileVLMConfig(
        vision_config={
            "hidden_size": 128,
            "intermediate_size": 256,
            "num_hidden_layers": 4,
            "num_attention_heads": 4,
            "image_size": 48,
            "patch_size": 8,
        },
        text_config={
            "model_type": "llama",
            "vocab_size": tokenizer.vocab_size,
            "hidden_size": 128,
            "intermediate_size": 384,
            "num_hidden_layers": 3,
            "num_attention_heads": 4,
            "num_key_value_heads": 4,
            "max_position_embeddings": 1024,
            "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0},
            "bos_token_id": tokenizer.bos_token_id,
            "eos_token_id": tokenizer.eos_token_id,
            "pad_token_id": tokenizer.pad_token_id,
        },
        projector_type="ldpv2",
        image_grid_size=6,
        image_token_id=tokenizer.vocab_size,
        tie_word_embeddings=True,
    )


def _make_tokenizer() -> LlamaTokenizer:
    texts = [SYSTEM_PROMPT, "USER: ASSISTANT:"]
    for seed in range(_NUM_SCENES_FOR_TOKENIZER):
        scene = make_picture(seed)
        for question in make_still_questions(scene, seed):
            texts += [question.text, question.answer]
        texts.append(describe_moment(scene, 0.0))
    return train_llama_tokenizer(texts)
