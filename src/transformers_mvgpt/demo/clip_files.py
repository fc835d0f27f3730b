# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Folders of drawn clips, with questions about them as `mvgpt evaluate` reads them."""

import json
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from ..conversion.written_files import write_file
from .drawn_clip import Clip, make_clip, write_clip
from .questions import QUESTION_TYPES
from .scene import Split


# Fewer clips than this are drawn sooner than another process has started.
_WORTH_A_POOL = 64


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
    for seed, _ in write_clips(folder, chosen, split, **file_options):
        records += chosen[seed]
        yield len(records)
    lines = [json.dumps(record) + "\n" for record in records]
    write_file(folder / "questions.jsonl", "".join(lines))


def write_clips(folder: Path, seeds: Iterable[int], split: Split, **file_options: Any) -> Iterator[tuple[int, Clip]]:
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
