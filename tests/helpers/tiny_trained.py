# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
The tiny trained models of `make tiny-models`, and what to ask them: pictures and a clip of the split "test" that were in no file of
their training or test.
"""

from pathlib import Path
from typing import Any

from PIL import Image

from train_tiny.chats import draw_picture
from train_tiny.still_questions import make_picture, make_still_questions
from transformers_mvgpt.demo.drawn_clip import make_clip, write_clip
from transformers_mvgpt.demo.questions import Question


_DATA = Path(__file__).parents[1] / "data"
MOBILEVLM = _DATA / "mobilevlm_tiny"
TINYLLAVA = _DATA / "tinyllava_tiny"

# Chosen such that the models know all about them that these types ask: where things are, and which way they move, they hardly know.
PICTURE_SEEDS = (900_000, 900_004)
PICTURE_TYPES = ("colour", "shape", "count", "yes_no")
CLIP_SEED = 900_111
CLIP_TYPES = ("colour", "order")
_CLIP_OPTIONS = {"width": 128, "height": 128}


def picture(seed: int) -> Image.Image:
    return draw_picture(make_picture(seed, "test"), seed)


def picture_questions(seed: int) -> list[Question]:
    """What the model can be asked about that picture."""
    questions = make_still_questions(make_picture(seed, "test"), seed)
    return [question for question in questions if question.type in PICTURE_TYPES]


def write_drawn_clip(path: Path) -> str:
    """Draws the clip of `CLIP_SEED` and returns its path."""
    write_clip(make_clip(CLIP_SEED, "test", **_CLIP_OPTIONS), path)
    return str(path)


def clip_questions() -> list[Question]:
    """What the model can be asked about that clip."""
    return [
        question for question in make_clip(CLIP_SEED, "test", **_CLIP_OPTIONS).questions if question.type in CLIP_TYPES
    ]


def ask(visual: dict[str, Any], question: Question) -> list[dict[str, Any]]:
    """A chat in which a question is asked about a visual."""
    return [{"role": "user", "content": [visual, {"type": "text", "text": question.text}]}]
