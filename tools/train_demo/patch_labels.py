# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
Pictures whose every patch is labeled with what stands in it, for encoders that learn from nothing.

Symbols in the shapes: T frames of a video, P patches of a frame, n images.
"""

import random

import numpy as np
import torch
from torch.utils.data import Dataset

from transformers_mvgpt.demo.drawing import draw_actor_indices, draw_frame
from transformers_mvgpt.demo.scene import COLORS, EVENTS, SHAPES, Actor, Scene, draw_background, make_scene
from transformers_mvgpt.modeling import MobileVideoGPTConfig
from transformers_mvgpt.processing import MobileVideoGPTVideoProcessor


DEEDS = ("stays", *EVENTS)
BACKGROUND, IGNORED = 0, -100

# A patch that shows less of a shape than the first share is background; one between the two is not judged.
_COVERED = (0.04, 0.2)
# Width and height of drawn frames, in pixels.
FRAME_SIZES = ((96, 96), (128, 96), (128, 128), (144, 96), (96, 128), (160, 90))
_IMAGE_SIDES = (96, 128, 160)


class PatchDataset(Dataset):
    """
    One training scene as a video, and some crowded images. A label is 0 for the background, -100 where it is unclear.

    | key | shape | |
    |---|---|---|
    | `images`, `single_frames` | `(n, 3, size, size)` | crowded images, for the image and for the video encoder |
    | `image_colors`, `image_shapes` | `(n, P)` | what stands in their patches |
    | `frames` | `(T, 3, size, size)` | as many frames as the model selects of a video |
    | `frame_colors`, `frame_shapes`, `frame_deeds` | `(T, P)` | likewise, and what it does in the video |

    Args:
        config ([`MobileVideoGPTConfig`]): of the model. Both encoders take images of one size, and patches of one size.
        first_seed, num_scenes (`int`): which scenes.
        num_images (`int`): images per video.
    """

    def __init__(self, config: MobileVideoGPTConfig, first_seed: int, num_scenes: int, num_images: int = 16):
        self.size, self.grid = config.video_config.image_size, config.video_config.patch_grid_size
        self.processor = MobileVideoGPTVideoProcessor(
            size={"shortest_edge": self.size},
            crop_size={"height": self.size, "width": self.size},
            do_sample_frames=False,
        )
        self.num_frames, self.num_chunks = config.num_frames, config.num_chunks
        self.num_selected_frames, self.num_images = config.num_selected_frames, num_images
        self.seeds = range(first_seed, first_seed + num_scenes)

    def __len__(self) -> int:
        return len(self.seeds)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        seed = self.seeds[index]
        rng = random.Random(f"patches {seed}")
        return {**self._make_images(rng), **self._make_video(make_scene(seed), rng)}

    def _make_images(self, rng: random.Random) -> dict[str, torch.Tensor]:
        side = rng.choice(_IMAGE_SIDES)
        crowds = [make_crowd(rng) for _ in range(self.num_images)]
        drawn = np.stack([draw_frame(crowd, 0.0, side, side) for crowd in crowds])
        features = self.processor(drawn, return_tensors="pt")
        patches = np.stack([self._patches(crowd, 0.0, side, side) for crowd in crowds])
        actors = [[(actor, 0.0) for actor in crowd.actors] for crowd in crowds]
        return {
            "images": features["context_pixel_values_videos"][0],
            "single_frames": features["pixel_values_videos"][0],
            "image_colors": label_patches(patches, actors, color_of),
            "image_shapes": label_patches(patches, actors, shape_of),
        }

    def _make_video(self, scene: Scene, rng: random.Random) -> dict[str, torch.Tensor]:
        width, height = rng.choice(FRAME_SIZES)
        # some frames of each chunk, as frame scoring will choose them, and a clip whose end is not seen
        per_chunk = self.num_frames // self.num_chunks
        chosen = [
            chunk * per_chunk + index
            for chunk in range(self.num_chunks)
            for index in sorted(rng.sample(range(per_chunk), self.num_selected_frames))
        ]
        end = rng.uniform(0.78, 1)
        times = [end * index / (self.num_frames - 1) for index in chosen]
        drawn = np.stack([draw_frame(scene, time, width, height) for time in times])
        patches = np.stack([self._patches(scene, time, width, height) for time in times])
        actors = [[(actor, time) for actor in scene.actors] for time in times]
        return {
            "frames": self.processor(drawn, return_tensors="pt")["pixel_values_videos"][0],
            "frame_colors": label_patches(patches, actors, color_of),
            "frame_shapes": label_patches(patches, actors, shape_of),
            "frame_deeds": label_patches(patches, actors, _deed),
        }

    def _patches(self, scene: Scene, progress: float, width: int, height: int) -> np.ndarray:
        """1 + index of the actor that is seen in each patch, (P,); `BACKGROUND` or `IGNORED` else."""
        return find_actors(draw_actor_indices(scene, progress, width, height), self.size, self.grid)


def find_actors(indices: np.ndarray, size: int, grid: int) -> np.ndarray:
    """
    Args:
        indices (`np.ndarray` of shape `(height, width)`): of the actors seen at each pixel, -1 for the background.
        size (`int`): pixels of the sides that the encoder sees, to which the picture is resized.
        grid (`int`): patches in a row.

    Returns:
        `np.ndarray` of shape `(P,)`: 1 + index of the actor that is seen in each patch; `BACKGROUND` or `IGNORED` else.
    """
    rows, columns = (np.arange(size) * length // size for length in indices.shape)
    cell = size // grid
    cells = indices[rows][:, columns].reshape(grid, cell, grid, cell)
    cells = cells.transpose(0, 2, 1, 3).reshape(grid**2, -1)  # (P, pixels)
    shares = np.stack([(cells == index).mean(1) for index in range(indices.max() + 1)] or [np.zeros(grid**2)])
    best, share = shares.argmax(0), shares.max(0)
    return np.select([share >= _COVERED[1], share < _COVERED[0]], [best + 1, BACKGROUND], IGNORED)


def make_crowd(rng: random.Random) -> Scene:
    """Shapes on a jittered grid, so many that most patches show one."""
    shift = rng.uniform(-0.15, 0.15), rng.uniform(-0.15, 0.15)
    actors = []
    for cell in rng.sample(range(9), rng.randint(5, 9)):
        color, shape = rng.choice(COLORS), rng.choice(SHAPES)
        x, y = (
            min(max((place + 0.5) / 3 + offset + rng.uniform(-0.06, 0.06), 0.12), 0.88)
            for place, offset in zip(divmod(cell, 3), shift, strict=True)
        )
        actors.append(Actor(shape, color, "stays", rng.uniform(0.24, 0.34), (x, y), (x, y)))
    return Scene(tuple(actors), *draw_background(rng))


def label_patches(patches: np.ndarray, actors: list[list[tuple[Actor, float]]], label) -> torch.Tensor:
    """Patches (frames, P) and the actors of each frame -> labels (frames, P) int64, classes from 1."""
    labels = patches.copy()
    for row, frame_actors in zip(labels, actors, strict=True):
        table = np.array([0, *(label(actor, time) + 1 for actor, time in frame_actors)])
        row[row > 0] = table[row[row > 0]]
    return torch.from_numpy(labels)


def color_of(actor: Actor, progress: float) -> int:
    """Index of its color then."""
    return COLORS.index(actor.color_at(progress))


def shape_of(actor: Actor, progress: float) -> int:
    """Index of its shape."""
    return SHAPES.index(actor.shape)


def _deed(actor: Actor, progress: float) -> int:
    return DEEDS.index(actor.deed)
