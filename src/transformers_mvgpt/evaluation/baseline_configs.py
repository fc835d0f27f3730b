# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
Configurations of the baselines at their published sizes. Figures are those of `config.json` in the repository named above each;
what is not said is transformers' default. Where the number of parameters is published, it is beside the name, and tests count them.
"""

from typing import Any

import transformers
from transformers import PreTrainedConfig, PreTrainedModel


# Qwen/Qwen2-0.5B.
_QWEN2_05B = {
    "model_type": "qwen2",
    "vocab_size": 152000,
    "hidden_size": 896,
    "intermediate_size": 4864,
    "num_hidden_layers": 24,
    "num_attention_heads": 14,
    "num_key_value_heads": 2,
    "max_position_embeddings": 32768,
}

# google/siglip-base-patch16-512, without its head: the image encoder of both SmolVLM2.
_SIGLIP_512 = {
    "hidden_size": 768,
    "intermediate_size": 3072,
    "image_size": 512,
    "patch_size": 16,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
}

# By name: the class of the model without "Config" or "ForConditionalGeneration", and the arguments of its config.
CONFIGS: dict[str, tuple[str, dict[str, Any]]] = {
    # llava-hf/llava-onevision-qwen2-0.5b-ov-hf: 893,675,552
    "llava-onevision-0.5b": (
        "LlavaOnevision",
        {
            "vision_config": {
                "model_type": "siglip_vision_model",
                "hidden_size": 1152,
                "intermediate_size": 4304,
                "image_size": 384,
                "patch_size": 14,
                "num_hidden_layers": 26,
                "num_attention_heads": 16,
                "vision_use_head": False,
            },
            "text_config": {**_QWEN2_05B, "tie_word_embeddings": True},
            "tie_word_embeddings": True,
        },
    ),
    # HuggingFaceTB/SmolVLM2-500M-Video-Instruct: 507,482,304
    "smolvlm2-500m": (
        "SmolVLM",
        {
            "vision_config": _SIGLIP_512,
            "text_config": {
                "model_type": "llama",
                "vocab_size": 49280,
                "hidden_size": 960,
                "intermediate_size": 2560,
                "num_hidden_layers": 32,
                "num_attention_heads": 15,
                "num_key_value_heads": 5,
                "max_position_embeddings": 8192,
            },
            "scale_factor": 4,
            "image_token_id": 49190,
            "tie_word_embeddings": False,
        },
    ),
    # HuggingFaceTB/SmolVLM2-256M-Video-Instruct: 256,484,928
    "smolvlm2-256m": (
        "SmolVLM",
        {
            "vision_config": _SIGLIP_512,
            "text_config": {
                "model_type": "llama",
                "vocab_size": 49280,
                "hidden_size": 576,
                "intermediate_size": 1536,
                "num_hidden_layers": 30,
                "num_attention_heads": 9,
                "num_key_value_heads": 3,
                "max_position_embeddings": 8192,
            },
            "scale_factor": 4,
            "image_token_id": 49190,
            "tie_word_embeddings": False,
        },
    ),
    # KamilaMila/FastVLM-0.5B, which transformers' conversion made of apple/FastVLM-0.5B; timm's fastvit_mci3 with its branches folded,
    # as it is used. 0.76 billion
    "fastvlm-0.5b": (
        "FastVlm",
        {
            "vision_config": {
                "model_type": "timm_wrapper",
                "architecture": "fastvit_mci3",
                "do_pooling": True,
                "global_pool": "avg",
                "hidden_size": 3072,
                "model_args": {"inference_mode": True},
            },
            "text_config": {**_QWEN2_05B, "tie_word_embeddings": False},
            "image_seq_length": 256,
            "tie_word_embeddings": False,
        },
    ),
    # LiquidAI/LFM2-VL-450M: 450,822,656
    "lfm2-vl-450m": (
        "Lfm2Vl",
        {
            "vision_config": {
                "model_type": "siglip2_vision_model",
                "hidden_size": 768,
                "intermediate_size": 3072,
                "num_patches": 256,
                "patch_size": 16,
                "num_hidden_layers": 12,
                "num_attention_heads": 12,
                "vision_use_head": False,
            },
            "text_config": {
                "model_type": "lfm2",
                "vocab_size": 65536,
                "hidden_size": 1024,
                "intermediate_size": 6656,
                "num_hidden_layers": 16,
                "num_attention_heads": 16,
                "num_key_value_heads": 8,
                "max_position_embeddings": 128000,
                "layer_types": [*["conv", "conv", "full_attention"] * 3, *["conv", "full_attention"] * 3, "conv"],
            },
            "projector_hidden_size": 2560,
            "downsample_factor": 2,
        },
    ),
    # Qwen/Qwen3.5-0.8B: 852,985,920, and 20,452,864 of the layer for speculative decoding, which transformers leaves out
    "qwen3.5-0.8b": (
        "Qwen3_5",
        {
            "vision_config": {
                "depth": 12,
                "hidden_size": 768,
                "intermediate_size": 3072,
                "num_heads": 12,
                "out_hidden_size": 1024,
            },
            "text_config": {
                "vocab_size": 248320,
                "hidden_size": 1024,
                "intermediate_size": 3584,
                "num_hidden_layers": 24,
                "num_attention_heads": 8,
                "num_key_value_heads": 2,
                "head_dim": 256,
                "linear_num_key_heads": 16,
                "linear_num_value_heads": 16,
                "max_position_embeddings": 262144,
                "rope_parameters": {
                    "rope_type": "default",
                    "rope_theta": 10_000_000,
                    "partial_rotary_factor": 0.25,
                    "mrope_section": [11, 11, 10],
                    "mrope_interleaved": True,
                },
                "tie_word_embeddings": True,
            },
            "tie_word_embeddings": True,
        },
    ),
    # OpenGVLab/InternVL3_5-1B-HF: 1,060,897,792
    "internvl3.5-1b": (
        "InternVL",
        {
            "vision_config": {"attention_bias": True},
            "text_config": {
                "model_type": "qwen3",
                "vocab_size": 151936,
                "hidden_size": 1024,
                "intermediate_size": 3072,
                "num_hidden_layers": 28,
                "num_attention_heads": 16,
                "num_key_value_heads": 8,
                "head_dim": 128,
                "max_position_embeddings": 40960,
                "tie_word_embeddings": False,
            },
            "tie_word_embeddings": False,
        },
    ),
}


def make_baseline(name: str) -> PreTrainedModel:
    """
    The model with random weights.

    Args:
        name (`str`): of `CONFIGS`.

    Raises:
        ImportError: if this release of transformers does not have it.
    """
    family, arguments = CONFIGS[name]
    config: PreTrainedConfig = class_of_transformers(f"{family}Config", name)(**arguments)
    return class_of_transformers(f"{family}ForConditionalGeneration", name)(config)


def class_of_transformers(class_name: str, baseline: str) -> Any:
    """
    Raises:
        ImportError: if this release of transformers has no such class.
    """
    try:
        return getattr(transformers, class_name)
    except AttributeError:
        raise ImportError(
            f"{baseline!r} needs {class_name}, which transformers {transformers.__version__} does not have: install a newer one "
            "(`pip install --upgrade transformers`), or leave it out of `--compare`."
        ) from None
