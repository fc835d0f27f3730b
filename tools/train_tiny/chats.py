# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Chats about drawn pictures and clips, with which the language models learn, and the files for the recipes' stages."""

import random
from itertools import count
from typing import Any

import numpy as np
from PIL import Image
from torch.utils.data import Dataset

from train_demo.language_training import keep_as_many_as_fit, make_chat
from train_demo.patch_labels import FRAME_SIZES
from train_demo.training_questions import make_practice_questions, make_training_questions
from transformers_mvgpt.demo.drawing import draw_frame
from transformers_mvgpt.demo.scene import Scene, make_busy_scene

from .still_questions import make_picture, make_still_questions


CLIP_TYPES = ("colour", "shape", "direction", "order")
_NUM_DRAWS = 6


class StillChats(Dataset):
    """
    Chats about drawn pictures for [`SideBySideCollator`].

    Args:
        first_seed, num_stills (`int`): of the pictures.
    """

    def __init__(self, first_seed: int, num_stills: int):
        self.seeds = range(first_seed, first_seed + num_stills)

    def __len__(self) -> int:
        return len(self.seeds)

    def __getitem__(self, index: int) -> dict[str, Any]:
        seed = self.seeds[index]
        visual = {"type": "image", "image": draw_picture(make_picture(seed), seed)}
        asked = make_still_questions(make_picture(seed), seed, _NUM_DRAWS)
        return {"chats": [make_chat(visual, question) for question in keep_as_many_as_fit(asked)]}


class ClipChats(Dataset):
    """
    Chats about drawn clips, in which much happens, for [`SideBySideCollator`].

    Args:
        first_seed, num_clips (`int`): of the clips.
        num_frames (`int`): of a clip.
    """

    def __init__(self, first_seed: int, num_clips: int, num_frames: int):
        self.seeds = range(first_seed, first_seed + num_clips)
        self.num_frames = num_frames

    def __len__(self) -> int:
        return len(self.seeds)

    def __getitem__(self, index: int) -> dict[str, Any]:
        seed = self.seeds[index]
        scene, (width, height) = _make_clear_scene(seed), random.Random(f"size {seed}").choice(FRAME_SIZES)
        times = np.linspace(0, 1, self.num_frames)
        frames = np.stack([draw_frame(scene, time, width, height) for time in times])
        visual = {"type": "video", "video": frames}
        asked = make_practice_questions(scene, seed) + make_training_questions(scene, seed, 30, about="events")
        asked = [question for question in asked if question.type in (*CLIP_TYPES, "practice")]
        random.Random(f"order {seed}").shuffle(asked)
        return {"chats": [make_chat(visual, question) for question in keep_as_many_as_fit(asked)]}


def draw_picture(scene: Scene, seed: int) -> Image.Image:
    """Of one of several sizes."""
    width, height = random.Random(f"size {seed}").choice(FRAME_SIZES)
    return Image.fromarray(draw_frame(scene, 0.0, width, height))


def _make_clear_scene(seed: int) -> Scene:
    """A busy scene without a flash."""
    scenes = (make_busy_scene(1000 * seed + attempt) for attempt in count())
    return next(scene for scene in scenes if not any(actor.behavior == "flashes" for actor in scene.actors))
