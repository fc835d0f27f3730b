# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The published sizes with random weights: as fast as the published models, and as large."""

import torch

from ..modeling import MobileVideoGPTConfig, MobileVideoGPTForConditionalGeneration


# What the language models do not share with `MobileVideoGPTConfig`'s defaults.
_TEXT_CONFIGS: dict[str, dict[str, int]] = {
    "0.5b": {},
    "1.5b": {
        "hidden_size": 1536,
        "intermediate_size": 8960,
        "num_hidden_layers": 28,
        "num_attention_heads": 12,
        "max_window_layers": 28,
    },
}
PUBLISHED_SIZES = tuple(_TEXT_CONFIGS)


def published_size(name: str) -> MobileVideoGPTConfig:
    """
    Config of a published size.

    Args:
        name (`str`): `"0.5b"` or `"1.5b"`.

    Raises:
        ValueError: if there is no such size.
    """
    if name not in _TEXT_CONFIGS:
        raise ValueError(f"There is no published size {name!r}: take {' or '.join(map(repr, _TEXT_CONFIGS))}.")
    text_config = {**MobileVideoGPTConfig().text_config.to_dict(), **_TEXT_CONFIGS[name]}
    text_config.pop("layer_types")  # follows from the number of layers
    return MobileVideoGPTConfig(text_config=text_config)


def make_random_model(
    name: str, device: torch.device, dtype: torch.dtype, seed: int = 0
) -> MobileVideoGPTForConditionalGeneration:
    """
    A model of [`published_size`].

    Raises:
        ValueError: as [`published_size`].
    """
    config = published_size(name)
    torch.manual_seed(seed)
    with torch.device(device):
        return MobileVideoGPTForConditionalGeneration(config).to(dtype).eval()
