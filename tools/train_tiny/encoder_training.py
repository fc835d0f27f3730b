# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
The image encoder from nothing, and the projector after it. There are no pretrained ones of this size: the encoder learns to
say of every patch what stands in it, then the projector to say it in the words of the language model.
"""

import random
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

from train_demo.chat_training import kept_fixed
from train_demo.encoder_training import POSITION_SCALE, PatchHeads, judge_patches, sine_positions
from train_demo.muon import Optimizers
from train_demo.patch_labels import FRAME_SIZES, color_of, find_actors, label_patches, make_crowd, shape_of
from train_demo.threads import NUM_SHARDS, backward_in_threads, split_rows
from transformers_mvgpt.demo.drawing import draw_actor_indices, draw_frame
from transformers_mvgpt.demo.scene import COLORS, SHAPES, Actor, Scene, draw_background
from transformers_mvgpt.modeling.image_features import encode_images
from transformers_mvgpt.modeling.resampler_tinyllava import position_table
from transformers_mvgpt.modeling.vision_language_model import VisionLanguageModel


_PLACE_WEIGHT, _SHAPE_WEIGHT = 4.0, 0.5  # a place is off by far less than 1
_PLACES = 2  # x and y


class LabeledPictures(Dataset):
    """
    Crowded pictures whose every patch is labeled. Keys: `pixels` (3, size, size), `colors` and `shapes` (P,), 0 for the
    background and -100 where it is unclear.

    Args:
        processor ([`ProcessorMixin`]): of the model.
        image_size, grid (`int`): of the encoder, in pixels and in patches.
        first_seed, num_pictures (`int`): which pictures.
    """

    def __init__(self, processor: Any, image_size: int, grid: int, first_seed: int, num_pictures: int):
        self.processor, self.size, self.grid = processor, image_size, grid
        self.seeds = range(first_seed, first_seed + num_pictures)

    def __len__(self) -> int:
        return len(self.seeds)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        rng = random.Random(f"crowd {self.seeds[index]}")
        scene, (width, height) = make_crowd(rng), rng.choice(FRAME_SIZES)
        indices = draw_actor_indices(scene, 0.0, width, height)
        is_padded = hasattr(self.processor, "image_processor")
        patches = find_actors(_pad(indices) if is_padded else indices, self.size, self.grid)[None]
        actors = [[(actor, 0.0) for actor in scene.actors]]
        return {
            "pixels": pixels_of(self.processor, draw_frame(scene, 0.0, width, height)[None])[0],
            "colors": label_patches(patches, actors, color_of)[0],
            "shapes": label_patches(patches, actors, shape_of)[0],
        }


class LabeledFrames(Dataset):
    """
    Frames of different scenes as if they were a video. Keys: `pixels` (T, 3, size, size); `colors` (T, S), for each of the S
    shapes 1 + its color, 0 if it is not there; `places` (T, S, 2), its x and y as shares of the frame.

    Args:
        processor ([`ProcessorMixin`]): of the model, with a video processor.
        num_frames (`int`): T.
        first_seed, num_videos (`int`): which scenes.
    """

    def __init__(self, processor: Any, num_frames: int, first_seed: int, num_videos: int):
        self.processor, self.num_frames = processor, num_frames
        self.seeds = range(first_seed, first_seed + num_videos)

    def __len__(self) -> int:
        return len(self.seeds)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        rng = random.Random(f"frames {self.seeds[index]}")
        width, height = rng.choice(FRAME_SIZES)
        scenes = [make_sparse_scene(rng) for _ in range(self.num_frames)]
        drawn = np.stack([draw_frame(scene, 0.0, width, height) for scene in scenes])
        colors = torch.zeros(self.num_frames, len(SHAPES), dtype=torch.long)
        places = torch.zeros(self.num_frames, len(SHAPES), _PLACES)
        stage = min(width, height)
        for number, scene in enumerate(scenes):
            for actor in scene.actors:
                shape = SHAPES.index(actor.shape)
                colors[number, shape] = 1 + COLORS.index(actor.color)
                for axis, side in enumerate((width, height)):
                    offset = (side - stage) / 2 + actor.center(0.0)[axis] * stage
                    places[number, shape, axis] = offset / side
        return {"pixels": pixels_of(self.processor, drawn), "colors": colors, "places": places}


def pixels_of(processor: Any, frames: np.ndarray) -> torch.Tensor:
    """Pixels (n, height, width, 3) as the encoder wants them, (n, 3, size, size)."""
    if hasattr(processor, "image_processor"):
        images = [Image.fromarray(frame) for frame in frames]
        return processor.image_processor(images, return_tensors="pt")["pixel_values"]
    return processor.video_processor([frames], do_sample_frames=False, return_tensors="pt")["pixel_values_videos"][0]


def make_sparse_scene(rng: random.Random) -> Scene:
    """Up to one actor of each shape, which all stay."""
    actors = []
    shapes = rng.sample(SHAPES, rng.randint(0, len(SHAPES)))
    for shape, cell in zip(shapes, rng.sample(range(9), len(shapes)), strict=True):
        x, y = (min(max((part + 0.5) / 3 + rng.uniform(-0.13, 0.13), 0.13), 0.87) for part in divmod(cell, 3))
        actors.append(Actor(shape, rng.choice(COLORS), "stays", rng.uniform(0.24, 0.36), (x, y), (x, y)))
    return Scene(tuple(actors), *draw_background(rng))


def train_image_encoder(
    model: VisionLanguageModel, dataset: LabeledPictures, num_steps: int, *, num_workers: int = 1
) -> Iterator[dict[str, float]]:
    """
    Trains `model.vision_tower` in place.

    Args:
        model ([`VisionLanguageModel`]): the model.
        dataset ([`LabeledPictures`]): as many as the steps share among them.
        num_steps (`int`): number of steps.
        num_workers (`int`): processes that draw.

    Yields:
        `dict[str, float]`: after each step, its number, the loss, and what share each head gets right.
    """
    tower, config = model.vision_tower, model.config
    heads = PatchHeads(config.vision_config.hidden_size, "colors", "shapes")
    _spread_positions(tower, dataset.grid)
    optimizers = _optimizers([tower], num_steps, list(heads.values()))

    def judge(weight: float, batch: dict[str, torch.Tensor]) -> tuple[torch.Tensor, dict[str, float]]:
        features = encode_images(tower, batch["pixels"], config.vision_feature_layer).last_hidden_state
        # SigLIP's first patch is not among the features
        labels = {kind: batch[kind][:, -features.shape[1] :] for kind in heads}
        loss, shares = heads(features, labels)
        return weight * loss, shares

    yield from _train(tower, optimizers, judge, dataset, num_steps, num_workers)


def train_image_projector(
    model: VisionLanguageModel, tokenizer: Any, dataset: LabeledPictures, num_steps: int, *, num_workers: int = 1
) -> Iterator[dict[str, float]]:
    """
    Trains `model.image_projector` in place, which makes a token of each patch, to tell what stands there in the words of the
    language model: a token is like the embeddings of the shape's name and of its color's.

    Args:
        model ([`MobileVLMModel`]): the model.
        tokenizer ([`LlamaTokenizer`]): its tokenizer.
        dataset ([`LabeledPictures`]): as many as the steps share among them.
        num_steps (`int`): number of steps.
        num_workers (`int`): processes that draw.

    Yields:
        `dict[str, float]`: after each step, its number, the loss, and what share of colors and shapes is told.
    """
    words = {"colors": _embed(model, tokenizer, COLORS), "shapes": _embed(model, tokenizer, SHAPES)}
    background = nn.Linear(model.config.text_config.hidden_size, 1)
    optimizers = _optimizers([model.image_projector], num_steps, [background])

    def judge(weight: float, batch: dict[str, torch.Tensor]) -> tuple[torch.Tensor, dict[str, float]]:
        tokens = model.get_image_features(batch["pixels"]).pooler_output  # (n, P, h)
        loss, shares = tokens.new_zeros(()), {}
        for kind, embeddings in words.items():
            logits = torch.cat([background(tokens), tokens @ embeddings.T], dim=-1)
            kind_loss, shares[kind] = judge_patches(logits, batch[kind])
            loss = loss + kind_loss
        return weight * loss, shares

    with kept_fixed([model.vision_tower]):
        yield from _train(model.image_projector, optimizers, judge, dataset, num_steps, num_workers)


def train_resampler(
    model: VisionLanguageModel, tokenizer: Any, dataset: LabeledFrames, num_steps: int, *, num_workers: int = 1
) -> Iterator[dict[str, float]]:
    """
    Trains `model.video_projector` in place. Each of its groups sees one frame, and its queries learn to tell of one shape each, in
    the words of the language model: a token is like the embeddings of the shape's name and of its color's.

    Args:
        model ([`TinyLlavaVideoModel`]): the model.
        tokenizer ([`Qwen2Tokenizer`]): its tokenizer.
        dataset ([`LabeledFrames`]): as many as the steps share among them.
        num_steps (`int`): number of steps.
        num_workers (`int`): processes that draw.

    Yields:
        `dict[str, float]`: after each step, its number, the loss, the share of shapes whose color is told, and how far off
        their places are.
    """
    projector, config = model.video_projector, model.config
    color_words, shape_words = (_embed(model, tokenizer, words) for words in (COLORS, SHAPES))
    head = nn.Linear(config.text_config.hidden_size, 1 + _PLACES)
    table = position_table(0, config.num_queries, config.text_config.hidden_size, torch.device("cpu")).float()
    optimizers = _optimizers([projector], num_steps, [head])

    def judge(weight: float, batch: dict[str, torch.Tensor]) -> tuple[torch.Tensor, dict[str, float]]:
        tokens = model.get_video_features(batch["pixels"]).pooler_output - table
        tokens = tokens.unflatten(1, batch["colors"].shape[1:])  # (videos, T, S, h)
        absent, places = head(tokens).split((1, _PLACES), dim=-1)
        colors = torch.cat([absent, tokens @ color_words.T], dim=-1)
        shapes = tokens @ shape_words.T
        is_there = batch["colors"] > 0
        color_loss = F.cross_entropy(colors.flatten(0, 2), batch["colors"].flatten())
        own_shapes = torch.arange(len(SHAPES)).expand(batch["colors"].shape)
        shape_loss = F.cross_entropy(shapes.flatten(0, 2), own_shapes.flatten())
        place_loss = (places - batch["places"]).square().sum(-1)[is_there].mean()
        right = (colors.argmax(-1) == batch["colors"])[is_there].float().mean().item()
        shares = {"colors": right, "distance": place_loss.sqrt().item()}
        return weight * (color_loss + _SHAPE_WEIGHT * shape_loss + _PLACE_WEIGHT * place_loss), shares

    with kept_fixed([model.vision_tower]):
        yield from _train(projector, optimizers, judge, dataset, num_steps, num_workers)


def _train(module, optimizers, judge, dataset, num_steps, num_workers) -> Iterator[dict[str, float]]:
    module.train()
    loader = DataLoader(dataset, len(dataset) // num_steps, num_workers=num_workers)
    for step, batch in enumerate(loader, start=1):
        shards = split_rows(batch, NUM_SHARDS)
        loss, shares = backward_in_threads(partial(judge, 1 / len(shards)), shards, optimizers.parameters)
        optimizers.step()
        means = {name: sum(some[name] for some in shares) / len(shares) for name in shares[0]}
        yield {"step": step, "loss": loss.item(), **means}
    module.eval()


def _optimizers(modules: list[nn.Module], num_steps: int, heads: list[nn.Linear]) -> Optimizers:
    return Optimizers(modules, num_steps, learning_rate=2e-3, muon_learning_rate=2e-3, heads=heads)


def _embed(model: VisionLanguageModel, tokenizer: Any, words: Iterable[str]) -> torch.Tensor:
    """The language model's embeddings of words as they stand in a sentence, (words, h)."""
    ids = [tokenizer(f" {word}", add_special_tokens=False)["input_ids"][-1] for word in words]
    return model.language_model.get_input_embeddings().weight.detach()[ids]


@torch.no_grad()
def _spread_positions(tower: nn.Module, grid: int) -> None:
    """As for the encoders of the demo. CLIP has a class token before the patches."""
    table = tower.embeddings.position_embedding.weight
    table[-(grid**2) :] = POSITION_SCALE * sine_positions(grid, table.shape[1])


def _pad(indices: np.ndarray) -> np.ndarray:
    """The picture in the middle of a square of background."""
    height, width = indices.shape
    side = max(height, width)
    square = np.full((side, side), -1)
    top, left = (side - height) // 2, (side - width) // 2
    square[top : top + height, left : left + width] = indices
    return square
