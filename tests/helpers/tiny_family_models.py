# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Tiny models of the families that have one modality, and inputs for them, so that one test runs on all."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from transformers import PreTrainedConfig

from seeded_weights import seeded_pixels
from tiny_models import TEXT_CONFIG, VISION_CONFIG, pad_left


SAMPLES = {
    "text": (5, 6, 7, 8),
    "one visual": (5, "a", 6),
    "two visuals": (5, "b", 9, "a", 6, 7),
    # such as frames of a video
    "visuals in a row": ("a", "c", "b", 6),
}


@dataclass(frozen=True)
class TinyFamily:
    """
    Args:
        config (`PreTrainedConfig`): of the model.
        make_visual (`Callable`): pixels of the visual of a name, without the dimension of the batch.
        pixels (`str`): what they are called as an input.
        modality (`str`): `"image"` or `"video"`.
    """

    config: PreTrainedConfig
    make_visual: Callable[[str], torch.Tensor]
    pixels: str
    modality: str

    @property
    def num_tokens(self) -> int:
        return getattr(self.config, f"num_{self.modality}_tokens")

    @property
    def placeholder_id(self) -> int:
        return getattr(self.config, f"{self.modality}_token_id")

    def sample(self, *parts: int | str) -> dict[str, torch.Tensor]:
        """All that the model takes of one prompt: ids, and names of visuals."""
        ids: list[int] = []
        for part in parts:
            ids += [self.placeholder_id] * self.num_tokens if isinstance(part, str) else [part]
        visuals = [self.make_visual(part) for part in parts if isinstance(part, str)]
        return {"input_ids": torch.tensor([ids]), **({self.pixels: torch.stack(visuals)} if visuals else {})}

    def batch(self, *samples: dict[str, torch.Tensor]) -> dict[str, Any]:
        """Samples in one batch, padded on the left."""
        visuals = [sample[self.pixels] for sample in samples if self.pixels in sample]
        return {**pad_left(*(sample["input_ids"] for sample in samples)), self.pixels: torch.cat(visuals)}


def tiny_mobilevlm(projector_type: str = "ldpv2", **fields: Any) -> TinyFamily:
    """MobileVLM with 5 x 5 patches, which neither of the projectors' grids divides, and `<image>` outside the vocabulary."""
    from transformers_mvgpt import MobileVLMConfig

    config = MobileVLMConfig(
        vision_config={**VISION_CONFIG, "image_size": 40},
        text_config={**TEXT_CONFIG, "model_type": "llama"},
        projector_type=projector_type,
        **{"image_grid_size": 3, "image_token_id": 120, **fields},
    )
    return TinyFamily(config, lambda name: seeded_pixels(name, 1, 40)[0], "pixel_values", "image")
