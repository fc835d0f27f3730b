# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Native folders of tiny models of the families that read images alone, or videos alone."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from piece_processors import gpt2_tokenizer, llama_tokenizer
from release_layout import make_tokenizer
from tiny_models import with_seeded_weights


WIDTH = 32
IMAGE_SIZE = 32
NUM_QUERIES = 4  # visual tokens of a video
_LAYERS = {"hidden_size": WIDTH, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
_ENCODER = {**_LAYERS, "image_size": IMAGE_SIZE, "patch_size": 8}


def write_mobilevlm(folder: Path, vision_config: Mapping[str, Any] = MappingProxyType({}), **config: Any) -> Path:
    """A MobileVLM V2 of 4 visual tokens, whose `<image>` is the first id that its tokenizer does not use."""
    from transformers_mvgpt import MobileVLMConfig, MobileVLMForConditionalGeneration, MobileVLMProcessor

    tokenizer = llama_tokenizer()
    text = {"model_type": "llama", **_LAYERS, "vocab_size": len(tokenizer), "bos_token_id": 1, "eos_token_id": 2}
    settings = {"image_token_id": len(tokenizer), "image_grid_size": 2, **config}
    made = MobileVLMConfig(vision_config={**_ENCODER, **vision_config}, text_config=text, **settings)
    return _write(folder, MobileVLMForConditionalGeneration, made, MobileVLMProcessor.from_config(made, tokenizer))


def write_tinyllava(folder: Path, **config: Any) -> Path:
    """A TinyLLaVA-Video of 4 visual tokens, whose `<image>` is the first id that its tokenizer does not use."""
    from transformers_mvgpt import (
        TinyLlavaVideoConfig,
        TinyLlavaVideoForConditionalGeneration,
        TinyLlavaVideoProcessor,
    )

    tokenizer = make_tokenizer()
    tokenizer.eos_token = "<|endoftext|>"
    text = {"model_type": "qwen2", **_LAYERS, "num_key_value_heads": 2, "vocab_size": len(tokenizer)}
    settings = {"num_queries": NUM_QUERIES, "num_groups": 2, "num_resampler_layers": 1, "num_frames": 2, **config}
    settings = {"video_token_id": len(tokenizer), **settings}
    made = TinyLlavaVideoConfig(vision_config=_ENCODER, text_config=text, **settings)
    return _write(
        folder, TinyLlavaVideoForConditionalGeneration, made, TinyLlavaVideoProcessor.from_config(made, tokenizer)
    )


def write_tinyllava_phi(folder: Path) -> Path:
    """A TinyLLaVA-Video on Phi, whose embedding has 7 rows more than its tokenizer has tokens, as Phi-2's has 886."""
    from transformers_mvgpt import (
        TinyLlavaVideoConfig,
        TinyLlavaVideoForConditionalGeneration,
        TinyLlavaVideoProcessor,
    )

    tokenizer = gpt2_tokenizer()
    text = {"model_type": "phi", **_LAYERS, "num_key_value_heads": 2, "vocab_size": len(tokenizer) + 7}
    # half of a head of 32 is rotated, as 0.4 of Phi-2's
    text |= {"hidden_size": 64, "partial_rotary_factor": 0.5, "bos_token_id": 0, "eos_token_id": 0}
    made = TinyLlavaVideoConfig(
        vision_config=_ENCODER,
        text_config=text,
        num_queries=NUM_QUERIES,
        num_groups=2,
        num_resampler_layers=1,
        num_frames=2,
        video_token_id=text["vocab_size"],
    )
    return _write(
        folder, TinyLlavaVideoForConditionalGeneration, made, TinyLlavaVideoProcessor.from_config(made, tokenizer)
    )


def _write(folder: Path, model_class: Any, config: Any, processor: Any) -> Path:
    with_seeded_weights(model_class(config)).save_pretrained(folder, save_original_format=False)
    processor.save_pretrained(folder)
    return folder
