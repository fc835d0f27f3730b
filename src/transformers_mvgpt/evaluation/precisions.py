# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""What fewer bits cost: the answers of the same model in several precisions."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from transformers import AutoModelForImageTextToText, AutoProcessor

from ..video.limits import UntrustedInput
from .choices import QUANTIZATIONS
from .metrics import score_by_type
from .quality import give_answers
from .quantization import check_quantization, language_model_bytes, quantize_language_model
from .questions import ScoredQuestion


@dataclass(frozen=True)
class PrecisionCost:
    """
    Args:
        precision (`str`): that of the weights.
        exact (`float`): share of exact answers, 0 to 1.
        changed (`float`): share of answers whose text is not that of the same model in float32, 0 to 1.
        num_bytes (`int`): of the language model's weights.
        num_errors (`int`): questions about videos that could not be read. They count as answered wrongly.
    """

    precision: str
    exact: float
    changed: float
    num_bytes: int
    num_errors: int = 0


def compare_precisions(
    path: str | os.PathLike,
    questions: Sequence[ScoredQuestion],
    device: torch.device,
    *,
    max_new_tokens: int = 128,
    on_answer: Callable[[str, int], None] | None = None,
    untrusted_input: UntrustedInput | None = None,
) -> list[PrecisionCost]:
    """
    Answers the questions in float32, in bfloat16, and with the language model's weights in 8 and in 4 bits. What is not
    quantized is then in float32 on CPU, elsewhere in bfloat16.

    Args:
        path (`str`): folder or repository of the model.
        questions (`Sequence[ScoredQuestion]`): as for [`answer_questions`].
        device (`torch.device`): where.
        max_new_tokens (`int`, defaults to 128): longest answer.
        on_answer (`Callable[[str, int], None]`, *optional*): called with the precision and how many questions are answered.
        untrusted_input ([`UntrustedInput`], *optional*): the limits on videos.

    Raises:
        ImportError: as [`check_quantization`].
        ValueError, OSError: if the model cannot be read.
    """
    rest = torch.float32 if device.type == "cpu" else torch.bfloat16
    precisions: dict[str, tuple[torch.dtype, str | None]] = {
        "float32": (torch.float32, None),
        "bfloat16": (torch.bfloat16, None),
        **{name: (rest, name) for name in QUANTIZATIONS},
    }
    for name in QUANTIZATIONS:
        check_quantization(name, device)
    processor = AutoProcessor.from_pretrained(path)
    processor.untrusted_input = untrusted_input
    costs: list[PrecisionCost] = []
    reference: list[str] = []
    for precision, (dtype, quantization) in precisions.items():
        model = AutoModelForImageTextToText.from_pretrained(path, dtype=dtype).to(device).eval()
        if quantization is not None:
            quantize_language_model(model, quantization)
        answers: list[str] = []
        num_errors = 0
        for answer in give_answers(model, processor, questions, on_error="return", max_new_tokens=max_new_tokens):
            answers.append(answer.text)
            num_errors += answer.error is not None
            if on_answer is not None:
                on_answer(precision, len(answers))
        reference = reference or answers
        changed = sum(answer != other for answer, other in zip(answers, reference, strict=True))
        exact = score_by_type(questions, answers)["all"]
        costs.append(
            PrecisionCost(precision, exact, changed / len(questions), language_model_bytes(model), num_errors)
        )
    return costs


def precision_table(costs: Sequence[PrecisionCost]) -> str:
    """Markdown with a row for each precision."""
    lines = ["| weights | exact answers | answers changed | language model |", "|---|---|---|---|"]
    for cost in costs:
        share = f"{cost.exact:.1%} | {cost.changed:.1%}"
        lines.append(f"| {cost.precision} | {share} | {cost.num_bytes / 1e6:.2f} MB |")
    if num_errors := max((cost.num_errors for cost in costs), default=0):
        lines += ["", f"{num_errors} questions are about what could not be read, and count as answered wrongly."]
    return "\n".join(lines) + "\n"
