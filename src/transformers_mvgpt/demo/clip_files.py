# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Folders of drawn clips and pictures, with the questions about them in the formats that training and evaluation read."""

import json
import os
import random
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from PIL import Image

from .drawing import draw_frame
from .drawn_clip import Clip, make_clip, write_clip
from .questions import MOMENT_QUESTION, QUESTION_TYPES, describe_moment, make_training_questions
from .scene import Split, make_still


# Fewer clips than this are drawn sooner than another process has started.
_WORTH_A_POOL = 64


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
    for seed, clip in _write_clips(folder, seeds, "train"):
        questions = make_training_questions(clip.scene, seed, max_turns)
        turns = [(question.text, question.answer) for question in questions]
        records.append(
            {"id": f"train-{seed}", "video": f"train-{seed}.mp4", "conversations": _turns("<video>", turns)}
        )
        yield len(records)
    _write_json(folder / "clips.json", records)


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
        records.append({"id": str(seed), "image": f"{seed}.png", "conversations": _turns("<image>", turns)})
        yield len(records)
    _write_json(folder / "images.json", records)


def write_test_clips(
    folder: str | os.PathLike, num_questions: int, split: Split = "test", first_seed: int = 0, **file_options: Any
) -> Iterator[int]:
    """
    Writes clips and `questions.jsonl` with questions of all types in equal shares, at most one of a type about a clip. A
    line has the fields `video`, `type`, `question`, `answer` and `options`.

    Args:
        folder (`str`): where to.
        num_questions (`int`): number of questions.
        split (`str`): as for [`make_clip`].
        first_seed (`int`): of the first clip; clips that would add nothing are passed over.
        file_options: `width`, `height`, `fps` and `seconds` for [`make_clip`].

    Yields:
        `int`: how many questions are written.

    Raises:
        ValueError: as [`make_clip`].
    """
    folder = Path(folder)
    share, rest = divmod(num_questions, len(QUESTION_TYPES))
    wanted = {kind: share + (index < rest) for index, kind in enumerate(QUESTION_TYPES)}
    chosen: dict[int, list[dict]] = {}
    seed = first_seed
    while any(wanted.values()):
        for question in make_clip(seed, split, **file_options).questions:
            records = chosen.get(seed, [])
            if wanted[question.type] and question.type not in (record["type"] for record in records):
                wanted[question.type] -= 1
                record = {"type": question.type, "question": question.text, "answer": question.answer}
                chosen[seed] = [*records, {"video": f"{split}-{seed}.mp4", **record, "options": question.options}]
        seed += 1
    records = []
    for seed, _ in _write_clips(folder, chosen, split, **file_options):
        records += chosen[seed]
        yield len(records)
    lines = [json.dumps(record) + "\n" for record in records]
    (folder / "questions.jsonl").write_text("".join(lines), encoding="utf-8")


def _write_clips(folder: Path, seeds: Iterable[int], split: Split, **file_options: Any) -> Iterator[tuple[int, Clip]]:
    """One file per seed, by several processes; in the order of the seeds."""
    folder.mkdir(parents=True, exist_ok=True)
    seeds = list(seeds)
    paths = [str(folder / f"{split}-{seed}.mp4") for seed in seeds]
    write = partial(_write_one, split=split, **file_options)
    if len(seeds) < _WORTH_A_POOL:
        yield from zip(seeds, map(write, seeds, paths), strict=True)
        return
    # not forked: torch and the video encoder may hold locks in other threads of this process
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        yield from zip(seeds, pool.map(write, seeds, paths, chunksize=16), strict=True)


def _write_one(seed: int, path: str, *, split: Split, **file_options: Any) -> Clip:
    clip = make_clip(seed, split, **file_options)
    write_clip(clip, path)
    return clip


def _turns(marker: str, turns: list[tuple[str, str]]) -> list[dict[str, str]]:
    """Questions and answers in the release's format; the visual stands before the first question."""
    conversation = []
    for index, (question, answer) in enumerate(turns):
        conversation.append({"from": "human", "value": f"{marker}\n{question}" if index == 0 else question})
        conversation.append({"from": "gpt", "value": answer})
    return conversation


def _write_json(path: Path, records: list[dict]) -> None:
    path.write_text(json.dumps(records, indent=1) + "\n", encoding="utf-8")
