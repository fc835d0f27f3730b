# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Answers of a tiny model to the test questions, and what they are worth."""

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForImageTextToText, AutoProcessor

from train_demo.steps import OnProgress
from transformers_mvgpt.demo.questions import TIME_TYPES
from transformers_mvgpt.evaluation import (
    ScoredQuestion,
    answer_questions,
    guess_answers,
    read_questions,
    score_by_type,
)


_BATCH_SIZE = 32
_MAX_NEW_TOKENS = 16


def score_answers(folder: str | os.PathLike, questions_file: Path, report: OnProgress) -> dict[str, Any]:
    """
    Scores by type of question: of the model, of a guesser, and where there are videos of the model that sees their frames
    shuffled.
    """
    model = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32).eval()
    processor = AutoProcessor.from_pretrained(folder)
    is_about_videos = "video" in model.pixel_inputs
    questions = read_questions(questions_file) if is_about_videos else _read_picture_questions(questions_file)

    def answer(step: str, **options: Any) -> list[str]:
        answers: list[str] = []
        ask = answer_questions if is_about_videos else _answer_about_pictures
        for text in ask(model, processor, questions, max_new_tokens=_MAX_NEW_TOKENS, **options):
            answers.append(text)
            report(step, len(answers), len(questions), {})
        return answers

    rows = {"model": score_by_type(questions, answer("test"))}
    if is_about_videos:
        rows["shuffled_frames"] = score_by_type(questions, answer("test with shuffled frames", shuffle_frames=True))
    rows["guesser"] = score_by_type(questions, guess_answers(questions))
    rounded = {name: {kind: round(share, 4) for kind, share in row.items()} for name, row in rows.items()}
    visuals = len({question.video for question in questions})
    scores = {"num_parameters": model.num_parameters(), "num_questions": len(questions), "num_visuals": visuals}
    return scores | ({"time_types": TIME_TYPES} if is_about_videos else {}) | {"scores": rounded}


def _read_picture_questions(path: Path) -> list[ScoredQuestion]:
    """[`ScoredQuestion`] calls what is seen a video."""
    records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [
        ScoredQuestion(os.fspath(path.parent / record.pop("image")), **{**record, "options": tuple(record["options"])})
        for record in records
    ]


@torch.no_grad()
def _answer_about_pictures(
    model: Any, processor: Any, questions: Sequence[ScoredQuestion], max_new_tokens: int
) -> Iterator[str]:
    for first in range(0, len(questions), _BATCH_SIZE):
        chats = [
            [
                {
                    "role": "user",
                    "content": [
                        {"type": "image", "path": question.video},
                        {"type": "text", "text": question.question},
                    ],
                }
            ]
            for question in questions[first : first + _BATCH_SIZE]
        ]
        inputs = processor.apply_chat_template(
            chats,
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
            processor_kwargs={"padding": True, "padding_side": "left"},
        )
        output = model.generate(**inputs, max_new_tokens=max_new_tokens, do_sample=False)
        new_ids = output[:, inputs["input_ids"].shape[1] :]
        yield from (answer.strip() for answer in processor.batch_decode(new_ids, skip_special_tokens=True))
