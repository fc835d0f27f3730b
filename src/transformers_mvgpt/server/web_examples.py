# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Clips and pictures to try on the web page, with questions about them. They are drawn, nothing is fetched."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from ..demo.drawing import draw_frame
from ..demo.drawn_clip import Clip, make_clip, write_clip
from ..demo.package_data import CLIP, CLIP_SEED


# Of the clips from 1,000,000 on, which no model was trained on, two about which the small model answers everything.
DRAWN_SEEDS = (1_000_001, 1_000_007)
_QUESTIONS_SHOWN = 4
_SIZE = {"width": 320, "height": 240}


@dataclass(frozen=True)
class PageExample:
    """
    Args:
        title (`str`): What is seen in it.
        file (`Path`): The clip or picture.
        icon (`Path`): A small picture of it.
        questions (`tuple[str, ...]`): Some that can be asked about it.
    """

    title: str
    file: Path
    icon: Path
    questions: tuple[str, ...]


def write_examples(folder: Path, *, of_videos: bool) -> list[PageExample]:
    """
    Args:
        folder (`Path`): Where to.
        of_videos (`bool`): Whether they are clips, or pictures.
    """
    return [_write_one(folder, seed, of_videos) for seed in (CLIP_SEED, *DRAWN_SEEDS)]


def _write_one(folder: Path, seed: int, of_videos: bool) -> PageExample:
    clip = make_clip(seed, "test") if seed == CLIP_SEED else make_clip(seed, "test", **_SIZE)
    picture = _picture(clip)
    icon = folder / f"clip-{seed}-icon.png"
    Image.fromarray(picture).resize((96, 72)).save(icon)
    title = " and ".join(actor.shape for actor in clip.scene.actors[-2:])
    if not of_videos:
        file = folder / f"picture-{seed}.png"
        Image.fromarray(picture).save(file)
        questions = [question.text for question in clip.questions if question.type in ("colour", "shape", "count")]
    else:
        file = folder / f"clip-{seed}.mp4"
        if seed == CLIP_SEED:
            shutil.copyfile(CLIP, file)
        else:
            write_clip(clip, file)
        first_of_type: dict[str, str] = {}
        for question in clip.questions:
            first_of_type.setdefault(question.type, question.text)
        questions = list(first_of_type.values())
    return PageExample(title.capitalize(), file, icon, tuple(questions[:_QUESTIONS_SHOWN]))


def _picture(clip: Clip) -> np.ndarray:
    """The frame in which most is seen."""
    times = np.linspace(0, 1, 21)
    best = max(times, key=lambda time: sum(actor.is_visible(time) for actor in clip.scene.actors))
    return draw_frame(clip.scene, float(best), 320, 240)
