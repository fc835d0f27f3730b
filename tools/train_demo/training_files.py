# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Folders of drawn clips and pictures, with conversations about them as [`InstructionDataset`] reads them."""

import json
import os
import random
from collections.abc import Iterable, Iterator
from pathlib import Path

from PIL import Image

from transformers_mvgpt.demo.clip_files import write_clips
from transformers_mvgpt.demo.drawing import draw_frame
from transformers_mvgpt.demo.scene import make_still

from .training_questions import MOMENT_QUESTION, describe_moment, make_training_questions


def write_training_clips(folder: str | os.PathLike, seeds: Iterable[int], *, max_turns: int = 4) -> Iterator[int]:
    """
    Writes a video file for each seed, and `clips.json`: one conversation about each.

    Args:
        folder (`str`): where to.
        seeds (`Iterable[int]`): of the clips.
        max_turns (`int`): questions about each, and sometimes a description.

    Yields:
        `int`: how many are written.
    """
    folder = Path(folder)
    records = []
    for seed, clip in write_clips(folder, seeds, "train"):
        questions = make_training_questions(clip.scene, seed, max_turns)
        turns = [(question.text, question.answer) for question in questions]
        records.append(
            {"id": f"train-{seed}", "video": f"train-{seed}.mp4", "conversations": make_turns("<video>", turns)}
        )
        yield len(records)
    write_json(folder / "clips.json", records)


def write_training_images(folder: str | os.PathLike, seeds: Iterable[int]) -> Iterator[int]:
    """
    Writes a picture for each seed, and `images.json`: what is seen in each.

    Yields:
        `int`: how many are written.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    records = []
    for seed in seeds:
        scene, side = make_still(seed), random.Random(f"image {seed}").choice((96, 128, 160))
        Image.fromarray(draw_frame(scene, 0.0, side, side)).save(folder / f"{seed}.png")
        turns = [(MOMENT_QUESTION, describe_moment(scene, 0.0))]
        records.append({"id": str(seed), "image": f"{seed}.png", "conversations": make_turns("<image>", turns)})
        yield len(records)
    write_json(folder / "images.json", records)


def make_turns(marker: str, turns: list[tuple[str, str]]) -> list[dict[str, str]]:
    """Questions and answers in the release's format; the visual stands before the first question."""
    conversation = []
    for index, (question, answer) in enumerate(turns):
        conversation.append({"from": "human", "value": f"{marker}\n{question}" if index == 0 else question})
        conversation.append({"from": "gpt", "value": answer})
    return conversation


def write_json(path: Path, records: list[dict]) -> None:
    """Samples as [`InstructionDataset`] reads them."""
    path.write_text(json.dumps(records, indent=1) + "\n", encoding="utf-8")
