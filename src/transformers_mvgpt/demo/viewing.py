# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""A model is shown a drawn clip and asked everything that there is to ask about it."""

import os
import random
from dataclasses import dataclass
from typing import Any

from ..evaluation import ScoredQuestion, answer_questions, is_same_answer
from ..processing.pipeline_video_text import VideoTextToTextPipeline
from .drawn_clip import Clip, make_clip
from .questions import Question


_MAX_NEW_TOKENS = 128
# Seeds below it are those of the clips with which the checkpoint was tested.
_FIRST_FRESH_SEED = 1_000_000


@dataclass(frozen=True)
class AnsweredQuestion:
    """
    Args:
        question ([`Question`]): what was asked, and its only right answer.
        answer (`str`): what the model said.
    """

    question: Question
    answer: str

    @property
    def is_right(self) -> bool:
        """Whether the answer is the right one, as in the scores."""
        return is_same_answer(self.answer, self.question.answer)


@dataclass(frozen=True)
class Viewing:
    """
    Args:
        clip ([`Clip`]): what was shown.
        answers (`list[AnsweredQuestion]`): to all questions about it, in their order.
        selected_frames (`list[dict[str, Any]]`): those that the video encoder looked at, as the pipeline describes them.
    """

    clip: Clip
    answers: list[AnsweredQuestion]
    selected_frames: list[dict[str, Any]]


def view_clip(pipe: VideoTextToTextPipeline, path: str | os.PathLike, seed: int) -> Viewing:
    """
    Asks all questions about a clip of the split "test": the first through the pipeline, which tells the frames too; the
    others together, so that the clip is encoded once for all of them.

    Args:
        pipe ([`VideoTextToTextPipeline`]): with the model to ask.
        path (`str`): file of the clip.
        seed (`int`): what it was drawn from.
    """
    video, clip = os.fspath(path), make_clip(seed, "test")
    first, *others = clip.questions
    [record] = pipe(video, text=first.text, return_selected_frames=True, max_new_tokens=_MAX_NEW_TOKENS)
    items = [ScoredQuestion(video, question.type, question.text, question.answer) for question in others]
    texts = [record["generated_text"].strip()]
    texts += answer_questions(pipe.model, pipe.processor, items, max_new_tokens=_MAX_NEW_TOKENS)
    answers = [AnsweredQuestion(question, text) for question, text in zip(clip.questions, texts, strict=True)]
    return Viewing(clip, answers, record["selected_frames"])


def draw_fresh_seed() -> int:
    """The seed of a clip that nobody has seen, in all likelihood; it does not depend on how `random` was seeded."""
    return random.SystemRandom().randrange(_FIRST_FRESH_SEED, 2**31)
