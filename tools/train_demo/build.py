# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""A small model of drawn clips, from nothing to its scores. Needs the extra `train`."""

import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from transformers_mvgpt.demo.clip_files import write_test_clips
from transformers_mvgpt.demo.questions import TIME_TYPES
from transformers_mvgpt.evaluation import answer_questions, guess_answers, read_questions, score_by_type
from transformers_mvgpt.evaluation.machine import describe_machine
from transformers_mvgpt.modeling import MobileVideoGPTForConditionalGeneration
from transformers_mvgpt.processing import MobileVideoGPTProcessor

from .encoder_training import train_encoders
from .language_training import train_language_model
from .small_model import make_config, make_processor
from .steps import DONE, OnProgress, Stopwatch, follow, run_stage, write_model
from .training_files import write_training_clips, write_training_images


RECIPES = Path(__file__).parent / "recipes"
PARTS = ("encoders", "language_model")
STAGES = ("video_projector", "image_projector", "instruction")
_SEED = 0
# Scenes for which the encoders and the language model are shown no clip.
_FIRST_SCENE = 1_000_000


@dataclass(frozen=True)
class Effort:
    """
    How much of everything.

    Args:
        num_clips (`int`): training clips.
        num_images (`int`): training pictures with captions.
        encoder_steps (`int`): steps of the encoders' training.
        still_steps, clip_steps (`int`): steps of the language model's training, on pictures and on clips.
        num_questions (`int`): test questions.
        overrides (`tuple[str, ...]`): `"key=value"` for the recipes of all three stages.
    """

    num_clips: int = 3200
    num_images: int = 1500
    encoder_steps: int = 500
    still_steps: int = 1000
    clip_steps: int = 4000
    num_questions: int = 1000
    overrides: tuple[str, ...] = ()


def train_small_model(
    target: str | os.PathLike,
    work: str | os.PathLike,
    effort: Effort | None = None,
    on_progress: OnProgress | None = None,
) -> dict[str, Any]:
    """
    Draws the clips, trains the encoders, the language model and the three stages, and answers the test questions. What is
    finished in `work` is not done again, so that an interrupted run goes on.

    Args:
        target (`str`): folder that becomes the model: weights, config, processor, training log and scores.
        work (`str`): folder for clips and what the stages leave behind.
        effort ([`Effort`], *optional*): how much of everything.
        on_progress (`Callable`, *optional*): called as the work goes on.

    Returns:
        `dict[str, Any]`: the scores, as written to `scores.json`.
    """
    effort, report = effort or Effort(), on_progress or (lambda step, done, total, figures: None)
    target, work = Path(target), Path(work)
    work.mkdir(parents=True, exist_ok=True)
    stopwatch = Stopwatch(work / "seconds.json")
    with stopwatch("clips"):
        _draw(work, effort, report)
    start = work / "encoders"
    if not (start / DONE).exists():
        with stopwatch("encoders"):
            _train_encoders(work, effort, report)
    if not (work / "language_model" / DONE).exists():
        with stopwatch("language_model"):
            _train_language_model(start, work, effort, report)
    start = work / "language_model"
    for stage in STAGES:
        with stopwatch(stage):
            start = _run_stage(stage, start, work, effort, report)
    with stopwatch("test"):
        scores = score_model(start, work / "test" / "questions.jsonl", report)
    scores |= {"effort": asdict(effort), "seconds": stopwatch.seconds, "machine": describe_machine()}
    write_model(start, target, work, PARTS + STAGES, scores)
    return scores


def _draw(work: Path, effort: Effort, report: OnProgress) -> None:
    for step, folder, last, total, write in (
        ("Clips", "clips", "clips.json", effort.num_clips, lambda to: write_training_clips(to, range(effort.num_clips))),
        ("Pictures", "images", "images.json", effort.num_images, lambda to: write_training_images(to, range(effort.num_images))),
        ("Test clips", "test", "questions.jsonl", effort.num_questions, lambda to: write_test_clips(to, effort.num_questions)),
    ):  # fmt: skip
        if not (work / folder / last).exists():  # it is written last
            for done in write(work / folder):
                report(step, done, total, {})


def _train_encoders(work: Path, effort: Effort, report: OnProgress) -> None:
    torch.manual_seed(_SEED)
    processor = make_processor()
    model = MobileVideoGPTForConditionalGeneration(make_config(processor.tokenizer))
    records = train_encoders(model.model, effort.encoder_steps, first_seed=_FIRST_SCENE)
    follow("encoders", records, effort.encoder_steps, model, processor, work, report)


def _train_language_model(start: Path, work: Path, effort: Effort, report: OnProgress) -> None:
    torch.manual_seed(_SEED)
    processor = MobileVideoGPTProcessor.from_pretrained(start)
    model = MobileVideoGPTForConditionalGeneration.from_pretrained(start)
    steps = effort.still_steps, effort.clip_steps
    records = train_language_model(model, processor, *steps, first_seed=_FIRST_SCENE)
    follow("language_model", records, sum(steps), model, processor, work, report)


def _run_stage(stage: str, start: Path, work: Path, effort: Effort, report: OnProgress) -> Path:
    data = work / "clips" / "clips.json" if stage == "instruction" else work / "images" / "images.json"
    overrides = [f"model={start}", f"data={data}", f"output={work / stage}", f"seed={_SEED}", *effort.overrides]
    return run_stage(stage, RECIPES / f"{stage}.yaml", overrides, report)


def score_model(folder: str | os.PathLike, questions_file: str | os.PathLike, report: OnProgress) -> dict[str, Any]:
    """Scores of a model, of the model with its frames shuffled in time, and of a guesser, by type of question."""
    model = MobileVideoGPTForConditionalGeneration.from_pretrained(folder).eval()
    processor = MobileVideoGPTProcessor.from_pretrained(folder)
    questions = read_questions(questions_file)

    def answer(step: str, shuffle_frames: bool) -> Iterator[str]:
        answers = answer_questions(model, processor, questions, shuffle_frames=shuffle_frames)
        for number, text in enumerate(answers, start=1):
            report(step, number, len(questions), {})
            yield text

    answers = list(answer("Test", False))
    rows = {
        "model": score_by_type(questions, answers),
        "shuffled_frames": score_by_type(questions, list(answer("Test with shuffled frames", True))),
        "guesser": score_by_type(questions, guess_answers(questions)),
    }
    rounded = {name: {kind: round(share, 4) for kind, share in row.items()} for name, row in rows.items()}
    return {
        "num_questions": len(questions),
        "num_clips": len({q.video for q in questions}),
        "time_types": TIME_TYPES,
        "scores": rounded,
    }
