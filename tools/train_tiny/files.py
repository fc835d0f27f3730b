# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Folders of pictures and clips: with captions and conversations for the recipes' stages, and with test questions."""

import json
from collections.abc import Callable, Iterator, Sequence
from itertools import count, islice
from pathlib import Path

from train_demo.training_files import make_turns, write_json
from train_demo.training_questions import describe_moment, make_training_questions
from transformers_mvgpt.demo.clip_files import write_clips
from transformers_mvgpt.demo.drawn_clip import make_clip
from transformers_mvgpt.demo.questions import Question, describe
from transformers_mvgpt.demo.scene import Split, make_scene

from .chats import CLIP_TYPES, draw_picture
from .still_questions import STILL_TYPES, make_picture, make_still_questions


CAPTIONS_FILE, CHATS_FILE, QUESTIONS_FILE = "captions.json", "chats.json", "questions.jsonl"
# of one conversation
_MAX_TURNS = 4


def write_training_stills(folder: Path, number: int) -> Iterator[int]:
    """Pictures with captions and conversations. Yields how many are written."""
    folder.mkdir(parents=True, exist_ok=True)
    captions, chats = [], []
    for seed in range(number):
        scene = make_picture(seed)
        draw_picture(scene, seed).save(folder / f"{seed}.png")
        asked = make_still_questions(scene, seed)[:_MAX_TURNS]
        captions.append(_sample("image", f"{seed}.png", [("What is in the image?", describe_moment(scene, 0.0))]))
        chats.append(_sample("image", f"{seed}.png", [(question.text, question.answer) for question in asked]))
        yield len(captions)
    write_json(folder / CAPTIONS_FILE, captions)
    write_json(folder / CHATS_FILE, chats)


def write_training_clips(folder: Path, number: int) -> Iterator[int]:
    """Clips without flashes, with captions and conversations. Yields how many are written."""
    captions, chats = [], []
    seeds = list(islice(_seeds_without_flash("train"), number))
    for seed, clip in write_clips(folder, seeds, "train"):
        asked = [q for q in make_training_questions(clip.scene, seed) if q.type in CLIP_TYPES]
        asked = asked[:_MAX_TURNS]
        captions.append(_sample("video", f"train-{seed}.mp4", [("What happens?", describe(clip.scene))]))
        chats.append(_sample("video", f"train-{seed}.mp4", [(question.text, question.answer) for question in asked]))
        yield len(captions)
    write_json(folder / CAPTIONS_FILE, captions)
    write_json(folder / CHATS_FILE, chats)


def write_test_stills(folder: Path, number: int) -> Iterator[int]:
    """Pictures of the split "test" with as many questions of each of `STILL_TYPES`. Yields how many pictures are written."""
    folder.mkdir(parents=True, exist_ok=True)
    chosen = _choose(count(), lambda seed: make_still_questions(make_picture(seed, "test"), seed), STILL_TYPES, number)
    records = []
    for written, (seed, questions) in enumerate(chosen.items(), start=1):
        draw_picture(make_picture(seed, "test"), seed).save(folder / f"{seed}.png")
        records += [_record("image", f"{seed}.png", question) for question in questions]
        yield written
    _write_questions(folder, records)


def write_test_clips(folder: Path, number: int) -> Iterator[int]:
    """Clips of the split "test" with as many questions of each of `CLIP_TYPES`. Yields how many clips are written."""
    seeds = _seeds_without_flash("test")
    chosen = _choose(seeds, lambda seed: make_clip(seed, "test").questions, CLIP_TYPES, number)
    records = []
    for written, (seed, _) in enumerate(write_clips(folder, chosen, "test"), start=1):
        records += [_record("video", f"test-{seed}.mp4", question) for question in chosen[seed]]
        yield written
    _write_questions(folder, records)


def _choose(
    seeds: Iterator[int], ask: Callable[[int], list[Question]], types: Sequence[str], number: int
) -> dict[int, list[Question]]:
    """By seed, questions of all types in equal shares, at most one of a type about a scene."""
    share, rest = divmod(number, len(types))
    wanted = {kind: share + (index < rest) for index, kind in enumerate(types)}
    chosen: dict[int, list[Question]] = {}
    for seed in seeds:
        for question in ask(seed):
            known = chosen.get(seed, [])
            if wanted.get(question.type) and question.type not in (one.type for one in known):
                wanted[question.type] -= 1
                chosen[seed] = [*known, question]
        if not any(wanted.values()):
            break
    return chosen


def _seeds_without_flash(split: Split) -> Iterator[int]:
    return (
        seed for seed in count() if not any(actor.behavior == "flashes" for actor in make_scene(seed, split).actors)
    )


def _sample(kind: str, file: str, turns: list[tuple[str, str]]) -> dict:
    return {"id": Path(file).stem, kind: file, "conversations": make_turns(f"<{kind}>", turns)}


def _record(kind: str, file: str, question: Question) -> dict:
    fields = {"type": question.type, "question": question.text, "answer": question.answer}
    return {kind: file, **fields, "options": question.options}


def _write_questions(folder: Path, records: list[dict]) -> None:
    lines = [json.dumps(record) + "\n" for record in records]
    (folder / QUESTIONS_FILE).write_text("".join(lines), encoding="utf-8")
