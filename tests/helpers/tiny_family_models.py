# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Tiny models of the families that have one modality, and inputs for them, so that one test runs on all."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from transformers import PreTrainedConfig

from seeded_weights import seeded_pixels
from tiny_models import CONTEXT_SIZE, TEXT_CONFIG, VISION_CONFIG, pad_left


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
        make_visual (`Callable`): pixels of the visual of a name, without the dimension of the batch. Videos may differ in length.
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
        return {"input_ids": torch.tensor([ids]), **self.join(visuals)}

    def batch(self, *samples: dict[str, torch.Tensor]) -> dict[str, Any]:
        """Samples in one batch, padded on the left."""
        visuals = [visual for sample in samples for visual in self.visuals_of(sample)]
        return {**pad_left(*(sample["input_ids"] for sample in samples)), **self.join(visuals)}

    def join(self, visuals: list[torch.Tensor]) -> dict[str, torch.Tensor]:
        """The model's inputs for visuals."""
        if len({visual.shape for visual in visuals}) > 1:
            counts = torch.tensor([len(visual) for visual in visuals])
            return {self.pixels: torch.cat(visuals), "num_frames_per_video": counts}
        return {self.pixels: torch.stack(visuals)} if visuals else {}

    def visuals_of(self, sample: dict[str, torch.Tensor]) -> list[torch.Tensor]:
        """The visuals of a sample, one by one."""
        if "num_frames_per_video" in sample:
            return list(sample[self.pixels].split(sample["num_frames_per_video"].tolist()))
        return list(sample.get(self.pixels, ()))


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


def tiny_tinyllava(resampler_type: str = "group", text_type: str = "qwen2", **fields: Any) -> TinyFamily:
    """TinyLLaVA-Video with 15 tokens of a frame, which its 4 groups do not divide; `a` has one frame, `b` two, `c` three."""
    from transformers_mvgpt import TinyLlavaVideoConfig

    config = TinyLlavaVideoConfig(
        vision_config=VISION_CONFIG,
        text_config={**TEXT_CONFIG, "model_type": text_type},
        resampler_type=resampler_type,
        **{"num_queries": 8, "num_groups": 4, "num_resampler_layers": 2, "video_token_id": 98, **fields},
    )

    def make_video(name: str) -> torch.Tensor:
        return seeded_pixels(name, "_abc".index(name), CONTEXT_SIZE)

    return TinyFamily(config, make_video, "pixel_values_videos", "video")
