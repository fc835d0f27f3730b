# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The published sizes with random weights: as fast as the published models, and as large."""

from typing import Any

import torch
from tokenizers import Regex, Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Split
from tokenizers.processors import TemplateProcessing
from transformers import (
    AutoProcessor,
    LlamaTokenizer,
    PreTrainedConfig,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
)

from .. import demo
from ..families import family_of
from ..modeling import MobileVideoGPTConfig, MobileVLMConfig, TinyLlavaVideoConfig
from ..modeling.vision_language_model import VisionLanguageForConditionalGeneration
from ..processing.vision_language_processor import VisionLanguageProcessor
from .choices import PUBLISHED_SIZES


_MOBILELLAMA_2_7B = {
    "hidden_size": 2560,
    "intermediate_size": 6912,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 32,
}
_QWEN2_5_1_5B = {
    "hidden_size": 1536,
    "intermediate_size": 8960,
    "num_hidden_layers": 28,
    "num_attention_heads": 12,
    "max_window_layers": 28,
}
# What they do not share with the defaults of their configs.
_SIZES: dict[str, tuple[type[PreTrainedConfig], dict[str, Any]]] = {
    "0.5b": (MobileVideoGPTConfig, {}),
    "1.5b": (MobileVideoGPTConfig, {"text_config": _QWEN2_5_1_5B}),
    "mobilevlm-1.7b": (MobileVLMConfig, {"projector_type": "ldp"}),
    "mobilevlm-v2-1.7b": (MobileVLMConfig, {}),
    "mobilevlm-v2-3b": (MobileVLMConfig, {"text_config": _MOBILELLAMA_2_7B}),
    "tinyllava-video-3b": (TinyLlavaVideoConfig, {}),
}


def published_size(name: str) -> PreTrainedConfig:
    """
    Config of a published size.

    Args:
        name (`str`): one of `PUBLISHED_SIZES`.

    Raises:
        ValueError: if there is no such size.
    """
    if name not in _SIZES:
        raise ValueError(f"There is no published size {name!r}: take {' or '.join(map(repr, PUBLISHED_SIZES))}.")
    config_class, fields = _SIZES[name]
    text_config = {**config_class().text_config.to_dict(), **fields.get("text_config", {})}
    for name in ("head_dim", "layer_types"):  # follow from the width and the number of layers
        text_config.pop(name, None)
    return config_class(**{**fields, "text_config": text_config})


def make_random_model(
    name: str, device: torch.device, dtype: torch.dtype, seed: int = 0
) -> VisionLanguageForConditionalGeneration:
    """
    A model of [`published_size`]. It is made in its dtype: in float32, a model of 3B would need twice the memory of one in bfloat16.

    Raises:
        ValueError: as [`published_size`].
    """
    config = published_size(name)
    torch.manual_seed(seed)
    with torch.device(device):
        return family_of(config).model_class._from_config(config, dtype=dtype).eval()


def make_processor(config: PreTrainedConfig) -> VisionLanguageProcessor:
    """
    The processor of a model without a tokenizer: the published ones could not be had without a download. No token of text matters for
    the time; how many there are does, and is what it would be but for a few.
    """
    family = family_of(config)
    processor_class = family.processor_class
    tokenizer = AutoProcessor.from_pretrained(demo.CHECKPOINT).tokenizer
    if not set(processor_class.placeholders.values()) <= tokenizer.get_vocab().keys():
        tokenizer = _word_tokenizer(begins_with_bos=family.tokenizer_class is LlamaTokenizer)
    return processor_class.from_config(config, tokenizer)


def _word_tokenizer(begins_with_bos: bool) -> PreTrainedTokenizerBase:
    """One token for each word, number, line break and punctuation mark; with `begins_with_bos`, BOS in front of the text."""
    model = Tokenizer(WordLevel({"<unk>": 0, "<s>": 1, "</s>": 2}, unk_token="<unk>"))
    model.pre_tokenizer = Split(Regex(r"\w+|[^\w ]"), "removed", invert=True)
    if begins_with_bos:
        model.post_processor = TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=model, unk_token="<unk>", bos_token="<s>", eos_token="</s>", pad_token="<unk>"
    )
