# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""TinyLLaVA-Video in small, with fresh weights, and a tokenizer for the language of drawn clips."""

from transformers import Qwen2Tokenizer

from train_demo.trained_tokenizers import train_qwen2_tokenizer
from train_demo.training_questions import make_practice_questions, make_training_questions
from transformers_mvgpt.demo.questions import describe
from transformers_mvgpt.demo.scene import SHAPES, make_scene
from transformers_mvgpt.modeling.configuration_tinyllava import TinyLlavaVideoConfig
from transformers_mvgpt.processing.processing_tinyllava import TinyLlavaVideoProcessor

from .system_prompt import SYSTEM_PROMPT


_END, _PLACEHOLDER = "<|endoftext|>", "<image>"
_NUM_SCENES_FOR_TOKENIZER = 400


def make_processor() -> TinyLlavaVideoProcessor:
    """A processor for the model of [`make_config`]."""
    tokenizer = _make_tokenizer()
    return TinyLlavaVideoProcessor.from_config(make_config(tokenizer), tokenizer)


def make_config(tokenizer: Qwen2Tokenizer) -> TinyLlavaVideoConfig:
    """8 frames of 48 x 48 pixels; each is a group of 35 patches, of which the resampler makes a token for each shape."""
    end = tokenizer.convert_tokens_to_ids(_END)
    return TinyLlavaVideoConfig(
        vision_config={
            "hidden_size": 128,
            "intermediate_size": 256,
            "num_hidden_layers": 4,
            "num_attention_heads": 4,
            "image_size": 48,
            "patch_size": 8,
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
            "bos_token_id": end,
            "eos_token_id": end,
            "pad_token_id": end,
        },
        resampler_type="group",
        num_queries=8 * len(SHAPES),
        num_groups=8,
        num_resampler_layers=2,
        num_frames=8,
        video_token_id=tokenizer.convert_tokens_to_ids(_PLACEHOLDER),
    )


def _make_tokenizer() -> Qwen2Tokenizer:
    texts = [f"{SYSTEM_PROMPT} USER: \n ASSISTANT:"]
    for seed in range(_NUM_SCENES_FOR_TOKENIZER):
        scene = make_scene(seed)
        for question in make_training_questions(scene, seed) + make_practice_questions(scene, seed):
            texts.append(f"\n{question.text} ASSISTANT: {question.answer}")
        texts.append(describe(scene))
    return train_qwen2_tokenizer(texts, [_END, _PLACEHOLDER], eos_token=_END, pad_token=_END)
