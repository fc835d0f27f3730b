# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Limits of the fields that every config has, and of the encoders and language models that families share."""

from collections.abc import Mapping

from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from .config_rules import (
    ACTIVATION,
    DROPOUT,
    DTYPE,
    EPSILON,
    FILE_NAME,
    FLAG,
    FLAG_OR_NONE,
    HEADS,
    INNER,
    LABELS,
    LAYERS,
    NAMES,
    NOTHING,
    OBJECT,
    ROPE,
    SIDE,
    TEXT,
    TEXT_OR_TEXTS,
    TOKEN_IDS,
    WIDTH,
    Rule,
    number,
    whole,
)


# Of every config, where it has such a field
ANY_CONFIG_LIMITS = {
    "architectures": NAMES,
    "dtype": DTYPE,
    "torch_dtype": DTYPE,
    "hidden_act": ACTIVATION,
    "id2label": LABELS,
    "label2id": OBJECT,
    "num_labels": whole(0, 100_000, optional=True),
    "problem_type": TEXT,
    "chunk_size_feed_forward": whole(0, 2**20),
    "is_encoder_decoder": Rule("false", lambda value: value is False),
    "initializer_range": number(0, 100),
    "output_attentions": FLAG_OR_NONE,
    "output_hidden_states": FLAG_OR_NONE,
    "return_dict": FLAG_OR_NONE,
    "quantization_config": Rule(
        "an object", lambda value: isinstance(value, Mapping) or hasattr(value, "to_dict"), optional=True
    ),
    "transformers_weights": FILE_NAME,
    # also one for each config in the config
    "attn_implementation": TEXT_OR_TEXTS,
    "layer_types": NAMES,
    "rope_parameters": ROPE,
    "rope_scaling": ROPE,
    # layers of different sizes, and patches of transformers' own classes
    "per_layer_config": NOTHING,
    "fusion_config": NOTHING,
}

VISION_LIMITS = {
    "hidden_size": WIDTH,
    "intermediate_size": INNER,
    "projection_dim": WIDTH,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": HEADS,
    "num_channels": whole(1, 64),
    "image_size": SIDE,
    "patch_size": SIDE,
    "layer_norm_eps": EPSILON,
    "attention_dropout": DROPOUT,
    "initializer_factor": number(0, 100),
}

TEXT_LIMITS = {
    "model_type": Rule(
        "the type of a language model, such as 'qwen2'",
        lambda value: isinstance(value, str) and value in CONFIG_MAPPING,
    ),
    "vocab_size": whole(1, 2**24),
    "hidden_size": WIDTH,
    "intermediate_size": INNER,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": HEADS,
    "num_key_value_heads": whole(1, 4096, optional=True),
    "head_dim": whole(1, 4096, optional=True),
    "max_position_embeddings": whole(1, 2**27),
    "max_window_layers": whole(0, 2**20, optional=True),
    "sliding_window": whole(1, 2**27, optional=True),
    "use_sliding_window": FLAG,
    "use_cache": FLAG,
    "tie_word_embeddings": FLAG_OR_NONE,
    "rms_norm_eps": EPSILON,
    "attention_dropout": DROPOUT,
    "rope_theta": number(1e-3, 1e15, optional=True),
    "partial_rotary_factor": number(1e-3, 1, optional=True),
    "bos_token_id": TOKEN_IDS,
    "eos_token_id": TOKEN_IDS,
    "pad_token_id": TOKEN_IDS,
}
