# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Questions about drawn clips and pictures, answered by PyTorch and by the exported model in each precision."""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
import torch
from transformers import AutoModelForImageTextToText, AutoProcessor
from transformers.generation.streamers import BaseStreamer

from train_tiny.files import QUESTIONS_FILE, write_test_clips, write_test_stills
from transformers_mvgpt import VideoChat
from transformers_mvgpt.conversion.written_files import write_file
from transformers_mvgpt.demo import CHECKPOINT
from transformers_mvgpt.demo.clip_files import write_test_clips as write_all_types
from transformers_mvgpt.evaluation import read_questions
from transformers_mvgpt.evaluation.metrics import score_by_type
from transformers_mvgpt.evaluation.questions import ScoredQuestion
from transformers_mvgpt.runtime import OnnxVideoChat, export_onnx

from .heard_model import HeardModel
from .records import ROOT, Records


PRECISIONS = ("fp32", "fp16", "int8", "q4")
_DATA = ROOT / "tests" / "data"
_MAX_NEW_TOKENS = 64

# Called with what is done, and how much of it.
OnProgress = Callable[[str, int], None]


@dataclass(frozen=True)
class Asked:
    """
    Args:
        folder (`Path`): of the model.
        draw (`Callable`): writes clips or pictures and their questions, and yields how far it is.
        share (`float`): how many of the questions it is asked.
    """

    folder: Path
    draw: Callable[[Path, int], Iterator[int]]
    share: float


MODELS = {
    "small model": Asked(CHECKPOINT, write_all_types, 1),
    "tiny MobileVLM": Asked(_DATA / "mobilevlm_tiny", write_test_stills, 1 / 3),
    "tiny TinyLLaVA-Video": Asked(_DATA / "tinyllava_tiny", write_test_clips, 1 / 3),
}


@dataclass(frozen=True)
class Given:
    """
    An answer.

    Args:
        text (`str`): of it.
        tokens (`list[int]`): that the language model chose, the last one included.
        frames (`list[int]` or `None`): selected of the sampled ones, where the model selects any.
    """

    text: str
    tokens: list[int]
    frames: list[int] | None


def measure_quality(records: Records, work: Path, num_questions: int, report: OnProgress) -> None:
    """
    Adds a record for each model and precision that has none yet.

    Args:
        records ([`Records`]): where they go.
        work (`Path`): a folder for clips, exported models and PyTorch's answers, which an interrupted run finds again.
        num_questions (`int`): for the small model; the tiny ones are asked a third of them.
        report (`Callable[[str, int], None]`): called with what is done and how much of it.
    """
    for name, asked in MODELS.items():
        number = max(1, round(asked.share * num_questions))
        missing = [each for each in PRECISIONS if records.find(model=name, precision=each, questions=number) is None]
        if not missing:
            continue
        folder = work / name.replace(" ", "-").lower()
        questions = draw_questions(asked, folder / f"{number}-questions", number, report)
        reference = answer_once(asked.folder, questions, folder / f"{number}-answers.json", report)
        exported = folder / "onnx"
        if not exported.is_dir():
            export_onnx(asked.folder, exported, precisions=PRECISIONS)
        for precision in missing:
            given = answer_exported(exported, precision, questions, report)
            figures = compare(questions, reference, given) | {"decoder_bytes": decoder_bytes(exported, precision)}
            records.add({"model": name, "precision": precision, "questions": number, **figures})


def draw_questions(asked: Asked, folder: Path, number: int, report: OnProgress) -> list[ScoredQuestion]:
    """The questions of a folder, which is drawn if it is not there yet."""
    file = folder / QUESTIONS_FILE
    # written after all that it names
    if not file.exists():
        for done in asked.draw(folder, number):
            report("drawing", done)
    return read_questions(file)


def answer_once(folder: Path, questions: list[ScoredQuestion], file: Path, report: OnProgress) -> list[Given]:
    """PyTorch's answers, from a file that is written if it is not there yet."""
    if not file.exists():
        answers = []
        for answer in answer_with_torch(folder, questions):
            answers.append(asdict(answer))
            report("PyTorch", len(answers))
        write_file(file, json.dumps(answers))
    return [Given(**answer) for answer in json.loads(file.read_text("utf-8"))]


def answer_with_torch(folder: Path, questions: list[ScoredQuestion]) -> Iterator[Given]:
    """In float32, greedy."""
    model = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32).eval()
    processor = AutoProcessor.from_pretrained(folder)
    for visual, some in groupby(questions, key=lambda question: question.visual):
        chat = VideoChat(model, processor, str(visual))
        selected = getattr(chat.video, "selected_frames", None)
        frames = None if selected is None else selected.flatten().tolist()
        for question in some:
            heard = TokenIds()
            text = chat.ask(question.question, max_new_tokens=_MAX_NEW_TOKENS, do_sample=False, streamer=heard)
            yield Given(text, heard.ids, frames)


def answer_exported(folder: Path, precision: str, questions: list[ScoredQuestion], report: OnProgress) -> list[Given]:
    """Of the exported model, greedy."""
    chat = OnnxVideoChat(folder, precision=precision)
    heard = HeardModel.of(chat)
    answers = []
    for visual, some in groupby(questions, key=lambda question: question.visual):
        encoded = chat.encode(str(visual))
        selected = encoded.selected_frames
        frames = None if selected is None else np.asarray(selected).flatten().tolist()
        for question in some:
            heard.clear()
            text = chat.ask(encoded, question.question, max_new_tokens=_MAX_NEW_TOKENS, temperature=0)
            answers.append(Given(text, heard.tokens, frames))
            report(precision, len(answers))
    return answers


def compare(
    questions: list[ScoredQuestion], reference: list[Given], given: list[Given]
) -> dict[str, int | float | None]:
    """How many questions have the same tokens, the same frames and another text, and what share is right of both."""
    pairs = list(zip(reference, given, strict=True))
    frames = [one.frames == other.frames for one, other in pairs]
    return {
        "same_tokens": sum(one.tokens == other.tokens for one, other in pairs),
        "same_frames": sum(frames) if any(one.frames is not None for one in reference) else None,
        "changed_answers": sum(one.text != other.text for one, other in pairs),
        "right": score_by_type(questions, [answer.text for answer in given])["all"],
        "right_in_torch": score_by_type(questions, [answer.text for answer in reference])["all"],
    }


def decoder_bytes(folder: Path, precision: str) -> int:
    """Of the decoder's and the embeddings' files, data beside them included."""
    suffix = "" if precision == "fp32" else f"_{precision}"
    names = [f"{part}{suffix}.onnx" for part in ("decoder_model_merged", "embed_tokens")]
    return sum(file.stat().st_size for name in names for file in (folder / "onnx").glob(f"{name}*"))


class TokenIds(BaseStreamer):
    """A streamer that keeps the ids of the answer in `ids`, not those of the prompt."""

    def __init__(self) -> None:
        self.ids: list[int] = []
        self._is_prompt = True

    def put(self, value: torch.Tensor) -> None:
        """Takes the prompt, then each token."""
        if not self._is_prompt:
            self.ids += value.flatten().tolist()
        self._is_prompt = False

    def end(self) -> None:
        """Of an answer."""
