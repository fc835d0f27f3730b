# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
The language model from nothing, together with the projectors through which it sees: it learns to answer questions about
single pictures first, which are short and need no sense of time, then about clips.
"""

import random
from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import Image
from torch.utils.data import Dataset

from transformers_mvgpt.demo.drawing import draw_frame
from transformers_mvgpt.demo.questions import Question
from transformers_mvgpt.demo.scene import make_busy_scene, make_still
from transformers_mvgpt.modeling import MobileVideoGPTForConditionalGeneration
from transformers_mvgpt.processing import MobileVideoGPTProcessor

from .chat_training import train_on_chats
from .patch_labels import FRAME_SIZES
from .training_questions import Subject, make_practice_questions, make_training_questions


# Of a sequence's questions and answers, in words, which are tokens but for a few; and what the chat template adds to each.
_MAX_LENGTH = 330
_TEMPLATE_LENGTH = 9


class DrawnChats(Dataset):
    """
    Chats about training scenes for [`SideBySideCollator`]: about a picture each, then about a clip in which much happens.

    Args:
        first_seed (`int`): of the scenes.
        num_stills, num_clips (`int`): how many of each.
        num_frames (`int`): of a clip.
    """

    def __init__(self, first_seed: int, num_stills: int, num_clips: int, num_frames: int):
        self.seeds = range(first_seed, first_seed + num_stills + num_clips)
        self.num_stills, self.num_frames = num_stills, num_frames

    def __len__(self) -> int:
        return len(self.seeds)

    def __getitem__(self, index: int) -> dict[str, Any]:
        seed = self.seeds[index]
        rng = random.Random(f"chat {seed}")
        width, height = rng.choice(FRAME_SIZES)
        about: Subject
        if index < self.num_stills:
            scene, about = make_still(seed), "picture"
            visual = {"type": "image", "image": Image.fromarray(draw_frame(scene, 0.0, width, height))}
        else:
            scene, about = make_busy_scene(seed), "events"
            # sampled frames may end before the clip does
            times = rng.uniform(0.78, 1) * np.linspace(0, 1, self.num_frames)
            visual = {"type": "video", "video": np.stack([draw_frame(scene, time, width, height) for time in times])}
        asked = make_practice_questions(scene, seed) + make_training_questions(scene, seed, 20, about=about)
        rng.shuffle(asked)
        return {"chats": [make_chat(visual, question) for question in keep_as_many_as_fit(asked)]}


def keep_as_many_as_fit(questions: list[Question]) -> list[Question]:
    """Sequences of like lengths need little padding. Descriptions come first: no other questions say so much."""
    kept, length = [], 0
    for question in sorted(questions, key=lambda question: question.type != "description"):
        length += len(f"{question.text} {question.answer}".split()) + _TEMPLATE_LENGTH
        if length > _MAX_LENGTH:
            break
        kept.append(question)
    return kept


def make_chat(visual: dict[str, Any], question: Question) -> list[dict[str, Any]]:
    """A question about a visual and its answer, as messages."""
    return [
        {"role": "user", "content": [visual, {"type": "text", "text": question.text}]},
        {"role": "assistant", "content": [{"type": "text", "text": question.answer}]},
    ]


def train_language_model(
    model: MobileVideoGPTForConditionalGeneration,
    processor: MobileVideoGPTProcessor,
    num_still_steps: int,
    num_clip_steps: int,
    *,
    batch_size: int = 8,
    num_workers: int = 1,
    first_seed: int = 0,
) -> Iterator[dict[str, float]]:
    """
    Trains the language model, its head and the projectors in place; the encoders stay as they are.

    Args:
        model ([`MobileVideoGPTForConditionalGeneration`]): the model.
        processor ([`MobileVideoGPTProcessor`]): its processor.
        num_still_steps, num_clip_steps (`int`): steps on pictures, then on clips.
        batch_size (`int`): scenes per step, each with all its questions.
        num_workers (`int`): processes that draw.
        first_seed (`int`): of the scenes.

    Yields:
        `dict[str, float]`: after each step, its number, the loss, and the share of answers' tokens that are right.
    """
    num_stills, num_clips = (batch_size * num_steps for num_steps in (num_still_steps, num_clip_steps))
    dataset = DrawnChats(first_seed, num_stills, num_clips, model.config.num_frames)
    # each phase is another task, with a schedule of its own
    phases = num_still_steps, num_clip_steps
    return train_on_chats(model, processor, dataset, phases, batch_size=batch_size, num_workers=num_workers)
