# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""A tiny model of a family, from nothing to its scores. Needs the extra `train`."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from train_demo.chat_training import strengthen, train_on_chats
from train_demo.steps import (
    DONE,
    SCORES_FILE,
    OnProgress,
    Stopwatch,
    follow,
    processor_seconds,
    run_stage,
    write_model,
)
from transformers_mvgpt.evaluation.machine import describe_machine
from transformers_mvgpt.families import family_of

from . import mobilevlm, tinyllava
from .chats import ClipChats, StillChats
from .encoder_training import (
    LabeledFrames,
    LabeledPictures,
    train_image_encoder,
    train_image_projector,
    train_resampler,
)
from .files import (
    CAPTIONS_FILE,
    CHATS_FILE,
    QUESTIONS_FILE,
    write_test_clips,
    write_test_stills,
    write_training_clips,
    write_training_stills,
)
from .scores import score_answers


RECIPES = Path(__file__).parent / "recipes"
_SEED = 0
# Scenes of the recipes' stages are not those of the parts before, nor are these of each other.
_FIRST_SCENE = 1_000_000
_WEIGHTS_FILE = "model.safetensors"


@dataclass(frozen=True)
class Effort:
    """
    How much of everything.

    Args:
        num_visuals (`int`): training pictures or clips in files.
        encoder_steps, projector_steps, chat_steps (`int`): steps of the parts.
        projector_batch, encoder_batch, chat_batch (`int`): pictures or videos, pictures, and visuals with all their questions per step.
        num_questions (`int`): test questions.
        overrides (`tuple[str, ...]`): `"key=value"` for the recipes of all stages.
    """

    num_visuals: int
    encoder_steps: int
    projector_steps: int
    chat_steps: int
    projector_batch: int
    encoder_batch: int = 96
    chat_batch: int = 8
    num_questions: int = 700
    overrides: tuple[str, ...] = ()


@dataclass(frozen=True)
class TinyModel:
    """
    What is trained.

    Args:
        make_processor, make_config (`Callable`): its processor, and its config for the processor's tokenizer.
        stages (`dict[str, str]`): which file each stage of its recipes learns from.
        write_visuals, write_test (`Callable`): write files for the stages and for the test.
        effort ([`Effort`]): how much it needs.
    """

    make_processor: Callable[[], Any]
    make_config: Callable[[Any], Any]
    stages: dict[str, str]
    write_visuals: Callable[[Path, int], Iterator[int]]
    write_test: Callable[[Path, int], Iterator[int]]
    effort: Effort


TINY_MODELS = {
    "mobilevlm": TinyModel(
        mobilevlm.make_processor,
        mobilevlm.make_config,
        {"pretraining": CAPTIONS_FILE, "instruction": CHATS_FILE},
        write_training_stills,
        write_test_stills,
        Effort(num_visuals=1500, encoder_steps=400, projector_steps=200, chat_steps=900, projector_batch=96),
    ),
    "tinyllava": TinyModel(
        tinyllava.make_processor,
        tinyllava.make_config,
        {"video_projector": CAPTIONS_FILE, "instruction": CHATS_FILE},
        write_training_clips,
        write_test_clips,
        Effort(
            num_visuals=300,
            encoder_steps=250,
            projector_steps=300,
            chat_steps=800,
            projector_batch=12,
            num_questions=600,
        ),
    ),
}


def train_tiny_model(
    name: str,
    target: str | os.PathLike,
    work: str | os.PathLike,
    effort: Effort | None = None,
    on_progress: OnProgress | None = None,
) -> dict[str, Any]:
    """
    Draws pictures or clips, trains the image encoder, the projector, the language model and the stages of the family's
    recipes, and answers the test questions. What is finished in `work` is not done again, so that an interrupted run goes on.

    Args:
        name (`str`): one of `TINY_MODELS`.
        target (`str`): folder that becomes the model: weights, config, processor, training log and scores.
        work (`str`): folder for files and what the stages leave behind.
        effort ([`Effort`], *optional*): how much of everything.
        on_progress (`Callable`, *optional*): called as the work goes on.

    Returns:
        `dict[str, Any]`: the scores, as written to `scores.json`.
    """
    tiny = TINY_MODELS[name]
    effort, report = effort or tiny.effort, on_progress or (lambda step, done, total, figures: None)
    target, work = Path(target), Path(work)
    work.mkdir(parents=True, exist_ok=True)
    stopwatch = Stopwatch(work / "seconds.json")
    # what it takes whatever else the machine does
    processor_stopwatch = Stopwatch(work / "processor_seconds.json", processor_seconds)
    for step, folder, last, number, write in (
        ("files", "files", CHATS_FILE, effort.num_visuals, tiny.write_visuals),
        ("test files", "test", QUESTIONS_FILE, effort.num_questions, tiny.write_test),
    ):
        if not (work / folder / last).exists():  # it is written last
            with stopwatch(step), processor_stopwatch(step):
                for done in write(work / folder, number):
                    report(step, done, number, {})

    start: Path | None = None
    for part in _PARTS:
        if not (work / part / DONE).exists():
            with stopwatch(part), processor_stopwatch(part):
                _train_part(part, tiny, start, work, effort, report)
        start = work / part
    for stage, data in tiny.stages.items():
        overrides = [f"model={start}", f"data={work / 'files' / data}", f"output={work / stage}", f"seed={_SEED}"]
        with stopwatch(stage), processor_stopwatch(stage):
            recipe = RECIPES / f"{name}_{stage}.yaml"
            start = run_stage(stage, recipe, [*overrides, *effort.overrides], report)
    assert start is not None
    write_model(start, target, work, [*_PARTS, *tiny.stages], {})
    _store_in_16_bits(target / _WEIGHTS_FILE)
    with stopwatch("test"), processor_stopwatch("test"):
        scores = score_answers(target, work / "test" / QUESTIONS_FILE, report)
    facts = {
        "effort": asdict(effort),
        "seconds": stopwatch.seconds,
        "machine": describe_machine(),
        "commit": _commit(),
    }
    scores |= facts
    (target / SCORES_FILE).write_text(json.dumps(scores, indent=2) + "\n", encoding="utf-8")
    return scores


def _train_part(
    part: str, tiny: TinyModel, start: Path | None, work: Path, effort: Effort, report: OnProgress
) -> None:
    torch.manual_seed(_SEED)
    processor = tiny.make_processor()
    config = tiny.make_config(processor.tokenizer)
    family = family_of(config)
    model = family.model_class(config) if start is None else family.model_class.from_pretrained(start)
    records, steps = _PARTS[part](model, processor, effort)
    follow(part, records, steps, model, processor, work, report)


def _train_encoder(model, processor, effort: Effort) -> tuple[Iterator[dict[str, float]], int]:
    steps = effort.encoder_steps
    return train_image_encoder(model.model, _pictures(model, processor, steps * effort.encoder_batch), steps), steps


def _train_projector(model, processor, effort: Effort) -> tuple[Iterator[dict[str, float]], int]:
    steps = effort.projector_steps
    number = steps * effort.projector_batch
    # before the visual tokens become like its words
    strengthen(model.model.language_model)
    if "video" in model.pixel_inputs:
        frames = LabeledFrames(processor, model.config.num_frames, _FIRST_SCENE, number)
        return train_resampler(model.model, processor.tokenizer, frames, steps), steps
    return train_image_projector(model.model, processor.tokenizer, _pictures(model, processor, number), steps), steps


def _pictures(model, processor, number: int) -> LabeledPictures:
    vision = model.config.vision_config
    return LabeledPictures(processor, vision.image_size, vision.image_size // vision.patch_size, _FIRST_SCENE, number)


def _train_chats(model, processor, effort: Effort) -> tuple[Iterator[dict[str, float]], int]:
    number = effort.chat_steps * effort.chat_batch
    dataset = (
        ClipChats(_FIRST_SCENE, number, model.config.num_frames)
        if "video" in model.pixel_inputs
        else StillChats(_FIRST_SCENE, number)
    )
    records = train_on_chats(
        model,
        processor,
        dataset,
        [effort.chat_steps],
        batch_size=effort.chat_batch,
        is_fresh=False,
    )
    return records, effort.chat_steps


_PARTS = {"encoder": _train_encoder, "projector": _train_projector, "chat": _train_chats}


def _store_in_16_bits(weights: Path) -> None:
    """Half the size; `dtype` in the config still says that they are computed with in float32."""
    tensors = {name: tensor.to(torch.float16) for name, tensor in load_file(weights).items()}
    save_file(tensors, weights, metadata={"format": "pt"})


def _commit() -> str | None:
    """The commit that this was trained with, if git knows it."""
    command = ["git", "-C", os.fspath(Path(__file__).parent), "rev-parse", "HEAD"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    return found.stdout.strip() or None
