# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
Both encoders from nothing. There are no pretrained ones of this size: these learn to say of every patch what stands in it,
the image encoder its color and shape, the video encoder also what it does in the video.
"""

from collections.abc import Iterator
from functools import partial

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader

from transformers_mvgpt.demo.scene import COLORS, SHAPES
from transformers_mvgpt.modeling import MobileVideoGPTModel

from .muon import Optimizers
from .patch_labels import BACKGROUND, DEEDS, IGNORED, PatchDataset
from .threads import NUM_SHARDS, backward_in_threads, split_rows


_NUM_CLASSES = {"colors": len(COLORS) + 1, "shapes": len(SHAPES) + 1, "deeds": len(DEEDS) + 1}
_BACKGROUND_WEIGHT = 0.2  # most patches are background
POSITION_SCALE = 0.3


class PatchHeads(nn.ModuleDict):
    """A linear classifier of patches for each kind of label. They are thrown away when the encoder has learned."""

    def __init__(self, hidden_size: int, *kinds: str):
        super().__init__({kind: nn.Linear(hidden_size, _NUM_CLASSES[kind]) for kind in kinds})

    def forward(
        self, features: torch.Tensor, labels: dict[str, torch.Tensor]
    ) -> tuple[torch.Tensor, dict[str, float]]:
        """
        Args:
            features (`torch.Tensor` of shape `(..., hidden_size)`): of patches.
            labels (`dict[str, torch.Tensor]` of shapes `(...)`): by kind; kinds may be left out.

        Returns:
            The loss, and for each kind the share of right labels among patches that show a shape.
        """
        loss, shares = features.new_zeros(()), {}
        for kind, wanted in labels.items():
            kind_loss, shares[kind] = judge_patches(self[kind](features), wanted)
            loss = loss + kind_loss
        return loss, shares


def judge_patches(logits: torch.Tensor, wanted: torch.Tensor) -> tuple[torch.Tensor, float]:
    """
    Args:
        logits (`torch.Tensor` of shape `(..., classes)`): of patches; the first class is the background.
        wanted (`torch.Tensor` of shape `(...)`): classes, or `IGNORED`.

    Returns:
        The loss, and the share of right classes among patches that show a shape.
    """
    logits, wanted = logits.flatten(0, -2), wanted.flatten()
    weights = logits.new_ones(logits.shape[1])
    weights[BACKGROUND] = _BACKGROUND_WEIGHT
    loss = F.cross_entropy(logits, wanted, weight=weights, ignore_index=IGNORED)
    return loss, (logits.argmax(-1) == wanted)[wanted > 0].float().mean().item()


def train_encoders(
    model: MobileVideoGPTModel,
    num_steps: int,
    *,
    batch_size: int = 8,
    num_workers: int = 1,
    first_seed: int = 0,
) -> Iterator[dict[str, float]]:
    """
    Trains `model.vision_tower` and `model.video_tower` in place.

    Args:
        model ([`MobileVideoGPTModel`]): the model.
        num_steps (`int`): number of steps.
        batch_size (`int`): videos per step; each comes with 16 images.
        num_workers (`int`): processes that draw.
        first_seed (`int`): of the scenes.

    Yields:
        `dict[str, float]`: after each step, its number, the loss, and what share each head gets right.
    """
    config = model.config
    image_heads = PatchHeads(config.vision_config.hidden_size, "colors", "shapes")
    video_heads = PatchHeads(config.video_config.hidden_size, "colors", "shapes", "deeds")
    _spread_positions(model)
    modules = nn.ModuleList([model.vision_tower, model.video_tower, image_heads, video_heads])
    optimizers = Optimizers(
        [model.vision_tower, model.video_tower],
        num_steps,
        learning_rate=2e-3,
        muon_learning_rate=2e-3,
        heads=[*image_heads.values(), *video_heads.values()],
    )
    dataset = PatchDataset(config, first_seed, num_steps * batch_size)
    modules.train()
    for step, batch in enumerate(DataLoader(dataset, batch_size, num_workers=num_workers), start=1):
        shards = split_rows(batch, NUM_SHARDS)
        judge = partial(_judge, model, image_heads, video_heads, 1 / len(shards))
        loss, shares = backward_in_threads(judge, shards, optimizers.parameters)
        optimizers.step()
        means = {name: sum(some[name] for some in shares) / len(shares) for name in shares[0]}
        yield {"step": step, "loss": loss.item(), **means}
    modules.eval()


def _judge(
    model: MobileVideoGPTModel,
    image_heads: PatchHeads,
    video_heads: PatchHeads,
    weight: float,
    batch: dict[str, torch.Tensor],
) -> tuple[torch.Tensor, dict[str, float]]:
    """The loss of both encoders times a weight, and what share each head gets right."""
    image_labels = {kind: batch[f"image_{kind}"].flatten(0, 1) for kind in image_heads}
    features = model.get_image_features(batch["images"].flatten(0, 1)).last_hidden_state
    image_loss, image_shares = image_heads(features, image_labels)

    features = model.video_tower(batch["frames"]).last_hidden_state[:, 1:]
    video_labels = {kind: batch[f"frame_{kind}"].flatten(1) for kind in video_heads}
    video_loss, video_shares = video_heads(features, video_labels)

    # the first stage of training shows the video encoder single images
    some = slice(None, None, 4)
    frames = batch["single_frames"].flatten(0, 1)[some].unsqueeze(1)
    features = model.video_tower(frames).last_hidden_state[:, 1:]
    frame_loss, frame_shares = video_heads(features, {kind: rows[some] for kind, rows in image_labels.items()})

    shares = {"image": image_shares, "video": video_shares, "frame": frame_shares}
    named = {f"{place}_{kind}": share for place, kinds in shares.items() for kind, share in kinds.items()}
    return weight * (image_loss + video_loss + frame_loss), named


@torch.no_grad()
def _spread_positions(model: MobileVideoGPTModel) -> None:
    """Starts from positions that tell neighbors from others: fresh ones are too faint, and patches are slow to find them."""
    grid = model.config.video_config.patch_grid_size
    for table in (
        model.vision_tower.embeddings.position_embedding.weight,
        model.video_tower.embeddings.pos_embed[0],
    ):
        table[1:] = POSITION_SCALE * sine_positions(grid, table.shape[1])  # after the class token


def sine_positions(grid: int, width: int) -> torch.Tensor:
    """Sines and cosines of row and column at several wavelengths, (grid², width)."""
    rates = 100 ** -(torch.arange(width // 4) / (width // 4))
    rows, columns = torch.meshgrid(torch.arange(grid), torch.arange(grid), indexing="ij")
    angles = [places.flatten()[:, None] * rates for places in (columns, rows)]
    return torch.cat([wave(angle) for angle in angles for wave in (torch.sin, torch.cos)], dim=1)
