# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The two measurements, as what a JSON file holds."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoModelForImageTextToText, AutoProcessor
from transformers.video_utils import VideoMetadata

from transformers_mvgpt.chat.visual_encoding import encode_visual, read_visual
from transformers_mvgpt.demo import CHECKPOINT
from transformers_mvgpt.demo.clip_files import write_test_clips
from transformers_mvgpt.demo.drawing import draw_frame
from transformers_mvgpt.demo.drawn_clip import progress_of_frame
from transformers_mvgpt.evaluation import ScoredQuestion, answer_questions
from transformers_mvgpt.evaluation.intervals import wilson_interval
from transformers_mvgpt.evaluation.metrics import is_right
from transformers_mvgpt.evaluation.question_rows import read_questions
from transformers_mvgpt.modeling.configuration_mvgpt import FRAME_SELECTIONS
from transformers_mvgpt.modeling.frame_scoring_mvgpt import select_frames

from .rare_clips import FPS, NUM_FRAMES, RareClip, make_rare_clip


# Of clips that were in no training and no other test.
FIRST_SEED = 3_000_000

Progress = Callable[[str], None]


def load_small_model() -> tuple[Any, Any]:
    """The model of the package and its processor."""
    return AutoModelForImageTextToText.from_pretrained(CHECKPOINT), AutoProcessor.from_pretrained(CHECKPOINT)


def sampled_indices(processor: Any) -> list[int]:
    """Which frames of a rare clip are sampled."""
    return processor.video_processor.sample_frames(VideoMetadata(total_num_frames=NUM_FRAMES, fps=FPS)).tolist()


def measure_rare_frames(num_clips: int, say: Progress) -> dict[str, Any]:
    """
    In how many clips the one frame in which something happens is among those chosen.

    Returns:
        `dict[str, Any]`: the number of clips of each kind, and for each kind and way of choosing in how many of them it is.
    """
    model, processor = load_small_model()
    config, sampled = model.config, sampled_indices(processor)
    result: dict[str, Any] = {"num_clips": num_clips}
    for kind in ("still", "moving"):
        found = dict.fromkeys(FRAME_SELECTIONS, 0)
        for seed in range(num_clips):
            rare = make_rare_clip(seed, sampled, moves=kind == "moving")
            scores = score(model, processor, rare)
            for way in FRAME_SELECTIONS:
                [chosen] = select_frames(scores, config.frames_per_chunk, config.num_selected_frames, way).tolist()
                found[way] += rare.position in chosen
            say(f"{kind}: clip {seed + 1} of {num_clips}")
        share = config.num_selected_frames / config.frames_per_chunk
        result[kind] = found | {"chance": round(share * num_clips)}
    return result


def score(model: Any, processor: Any, rare: RareClip) -> torch.Tensor:
    """The scores (1, F) of the sampled frames of a clip."""
    frames = np.stack(
        [
            draw_frame(rare.clip.scene, progress_of_frame(rare.clip, index), rare.clip.width, rare.clip.height)
            for index in sampled_indices(processor)
        ]
    )
    modality, features = read_visual(processor, frames, do_sample_frames=False)
    return encode_visual(model, modality, features).frame_scores


def measure_answers(num_questions: int, folder: Path, say: Progress) -> dict[str, Any]:
    """
    How many answers of the small model are right, with each way of choosing, and how many of them are other words than with
    the published one.

    Args:
        num_questions (`int`): questions of all types in equal shares, about clips that are drawn for it.
        folder (`Path`): where to draw them.
    """
    if not (folder / "questions.jsonl").is_file():
        for written in write_test_clips(folder, num_questions, "test", FIRST_SEED):
            say(f"question {written} of {num_questions} drawn")
    questions: Sequence[ScoredQuestion] = read_questions(folder / "questions.jsonl")
    model, processor = load_small_model()
    answers: dict[str, list[str]] = {}
    for way in FRAME_SELECTIONS:
        model.config.frame_selection = way
        answers[way] = []
        for answer in answer_questions(model, processor, questions, max_new_tokens=128):
            answers[way].append(answer)
            say(f"{way}: answer {len(answers[way])} of {num_questions}")
    result: dict[str, Any] = {
        "num_questions": len(questions),
        "num_clips": len({question.visual for question in questions}),
    }
    for way, texts in answers.items():
        right = [is_right(question, text) for question, text in zip(questions, texts, strict=True)]
        low, high = wilson_interval(sum(right) / len(right), len(right))
        result[way] = {
            "right": sum(right),
            "interval": [round(100 * low, 1), round(100 * high, 1)],
            "others_than_published": sum(one != other for one, other in zip(texts, answers["scores"], strict=True)),
        }
    return result
