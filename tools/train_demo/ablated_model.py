# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Mobile-VideoGPT with one of its parts exchanged, to see what the part is worth (paper § 4.3)."""

import copy
import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn
from torch.nn import functional as F

from transformers_mvgpt.modeling import (
    MobileVideoGPTConfig,
    MobileVideoGPTForConditionalGeneration,
    MobileVideoGPTModel,
)
from transformers_mvgpt.modeling.frame_scoring_mvgpt import select_frames
from transformers_mvgpt.processing import MobileVideoGPTProcessor


@dataclass(frozen=True)
class Ablation:
    """
    The defaults are the model as it is.

    Args:
        frames (`str`): which frames the video encoder sees: `"scored"` highest, `"lowest"`, `"uniform"`ly spread over their
            chunk, or at `"random"`.
        encoders (`str`): whose visual tokens the language model gets: of `"both"`, or of the `"image"` or `"video"` encoder alone.
        projector (`str`): `"etp"`, or in its place one `"linear"` layer or an `"mlp"` of two, after the same pooling. These
            have fresh weights; `"fresh_etp"` is what they compare with.
    """

    frames: Literal["scored", "lowest", "uniform", "random"] = "scored"
    encoders: Literal["both", "image", "video"] = "both"
    projector: Literal["etp", "fresh_etp", "linear", "mlp"] = "etp"

    def num_video_tokens(self, config: MobileVideoGPTConfig) -> int:
        """Visual tokens of a video that are left."""
        image = config.num_frames * config.num_image_tokens
        return {"both": config.num_video_tokens, "image": image, "video": config.num_video_tokens - image}[
            self.encoders
        ]


class PlainProjector(nn.Module):
    """
    Pooling and one or two linear layers: ET-Proj without its convolution, and with `num_layers` 1 without its depth.

    Args:
        input_size, hidden_size, grid_size (`int`): as for [`PooledProjector`].
        num_layers (`int`): 1 or 2.
    """

    def __init__(self, input_size: int, hidden_size: int, grid_size: int, num_layers: int):
        super().__init__()
        self.grid_size = grid_size
        self.linear_1 = nn.Linear(input_size, hidden_size)
        self.linear_2 = nn.Linear(hidden_size, hidden_size) if num_layers == 2 else None

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """(n, num_tokens, input_size) -> (n, grid_size ** 2, hidden_size)"""
        hidden_states = self.linear_1(tokens)
        if self.linear_2 is not None:
            hidden_states = self.linear_2(F.gelu(hidden_states))
        side = math.isqrt(tokens.shape[1])
        grid = hidden_states.transpose(1, 2).unflatten(2, (side, side))
        return F.adaptive_avg_pool2d(grid, self.grid_size).flatten(2).transpose(1, 2)


class AblatedModel(MobileVideoGPTModel):
    """[`MobileVideoGPTModel`] with a part exchanged."""

    def __init__(self, config: MobileVideoGPTConfig, ablation: Ablation):
        super().__init__(config)
        self.ablation = ablation
        if ablation.projector in ("linear", "mlp"):
            num_layers = 1 if ablation.projector == "linear" else 2
            width = config.text_config.hidden_size
            self.image_projector = PlainProjector(
                config.vision_config.hidden_size, width, config.image_grid_size, num_layers
            )
            self.video_projector = PlainProjector(
                config.video_config.hidden_size, width, config.video_grid_size, num_layers
            )

    def _select(self, frame_scores: torch.Tensor, frame_selection: str | None = None) -> torch.Tensor:
        length, count = self.config.frames_per_chunk, self.config.num_selected_frames
        if self.ablation.frames == "uniform":
            spread = torch.linspace(0, length - 1, count, device=frame_scores.device).round().long()
            frame_scores = torch.zeros_like(frame_scores)
            frame_scores.unflatten(1, (-1, length))[..., spread] = 1
        elif self.ablation.frames == "random":
            frame_scores = torch.rand_like(frame_scores)
        return select_frames(frame_scores, length, count, "rarest" if self.ablation.frames == "lowest" else "scores")

    def _join(self, image_tokens: torch.Tensor, video_tokens: torch.Tensor) -> torch.Tensor:
        if self.ablation.encoders == "both":
            return super()._join(image_tokens, video_tokens)
        return image_tokens if self.ablation.encoders == "image" else video_tokens

    def _num_tokens_per(self, modality: str) -> int:
        return (
            super()._num_tokens_per(modality) if modality == "image" else self.ablation.num_video_tokens(self.config)
        )


class AblatedForConditionalGeneration(MobileVideoGPTForConditionalGeneration):
    """[`MobileVideoGPTForConditionalGeneration`] around an [`AblatedModel`]."""

    def __init__(self, config: MobileVideoGPTConfig, ablation: Ablation):
        super().__init__(config)
        self.model = AblatedModel(config, ablation)
        self.tie_weights()


def ablate(
    model: MobileVideoGPTForConditionalGeneration, processor: MobileVideoGPTProcessor, ablation: Ablation
) -> tuple[AblatedForConditionalGeneration, MobileVideoGPTProcessor]:
    """
    A copy of a model with a part exchanged, and its processor.

    Args:
        model ([`MobileVideoGPTForConditionalGeneration`]): the model; its projectors' weights are not taken over if they are exchanged.
        processor ([`MobileVideoGPTProcessor`]): its processor.
        ablation ([`Ablation`]): what to exchange.
    """
    ablated = AblatedForConditionalGeneration(model.config, ablation).to(model.dtype)
    weights = model.state_dict()
    if ablation.projector != "etp":
        weights = {name: tensor for name, tensor in weights.items() if "_projector." not in name}
    ablated.load_state_dict(weights, strict=False)
    ablated.generation_config = model.generation_config
    processor = copy.copy(processor)
    processor.num_video_tokens = ablation.num_video_tokens(model.config)
    return ablated.to(model.device), processor
