# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Answers of a tiny model to the test questions, and what they are worth."""

import os
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForImageTextToText, AutoProcessor

from train_demo.steps import OnProgress
from transformers_mvgpt.demo.questions import TIME_TYPES
from transformers_mvgpt.evaluation import (
    answer_questions,
    guess_answers,
    read_questions,
    score_by_type,
)


_MAX_NEW_TOKENS = 16


def score_answers(folder: str | os.PathLike, questions_file: Path, report: OnProgress) -> dict[str, Any]:
    """
    Scores by type of question: of the model, of a guesser, and where there are videos of the model that sees their frames
    shuffled.
    """
    model = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32).eval()
    processor = AutoProcessor.from_pretrained(folder)
    is_about_videos = "video" in model.pixel_inputs
    questions = read_questions(questions_file)

    def answer(step: str, **options: Any) -> list[str]:
        answers: list[str] = []
        for text in answer_questions(model, processor, questions, max_new_tokens=_MAX_NEW_TOKENS, **options):
            answers.append(text)
            report(step, len(answers), len(questions), {})
        return answers

    rows = {"model": score_by_type(questions, answer("test"))}
    if is_about_videos:
        rows["shuffled_frames"] = score_by_type(questions, answer("test with shuffled frames", shuffle_frames=True))
    rows["guesser"] = score_by_type(questions, guess_answers(questions))
    rounded = {name: {kind: round(share, 4) for kind, share in row.items()} for name, row in rows.items()}
    visuals = len({question.video or question.image for question in questions})
    scores = {"num_parameters": model.num_parameters(), "num_questions": len(questions), "num_visuals": visuals}
    return scores | ({"time_types": TIME_TYPES} if is_about_videos else {}) | {"scores": rounded}
