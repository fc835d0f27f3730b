# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Scores in the head of a model card, in the form that the Hub reads (`model-index`)."""

import os
import re
from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from ..conversion.written_files import check_new_file, write_file
from .own_data import Evaluation
from .questions import ALL


# The Hub's name of each metric, and what people call it.
_METRICS = {
    "exact": ("exact_match", "exact answers"),
    "f1": ("f1", "F1 of words"),
    "contains": ("contains", "answers that hold the right one"),
    "judge": ("judge", "score of a judge"),
}


# With something in it, as only then it is found.
_EMPTY_HEAD = "---\n{}\n---\n"


def eval_results(evaluation: Evaluation, *, task: str, dataset: str) -> list[EvalResult]:
    """
    The scores of an evaluation for a model card: the share of exact answers to each type of question and to all of them, and the other
    metrics of all.

    Args:
        evaluation ([`Evaluation`]): what [`evaluate`] returned.
        task (`str`): the Hub's name of the model's task, such as `"video-text-to-text"`.
        dataset (`str`): what the questions are called.
    """
    identifier = re.sub(r"[^\w.-]+", "-", dataset).strip("-.") or "questions"
    return [
        EvalResult(
            task_type=task,
            dataset_type=identifier,
            dataset_name=dataset,
            metric_type=_METRICS[name][0],
            metric_name=f"{_METRICS[name][1]}: {kind}",
            metric_value=round(estimate.value, 4),
            metric_args={
                "num_questions": scores.num_questions,
                "num_errors": scores.num_errors,
                **(
                    {}
                    if estimate.low is None
                    else {"interval_95": [round(estimate.low, 4), round(estimate.high or 0, 4)]}
                ),
            },
        )
        for kind, scores in evaluation.scores.items()
        for name, estimate in scores.metrics.items()
        if name == "exact" or kind == ALL
    ]


def check_model_index(path: str | os.PathLike, overwrite: bool) -> None:
    """
    Raises:
        FileExistsError, FileNotFoundError, IsADirectoryError: if the scores cannot be written there. A card is never replaced.
        ValueError: if the head of the card is damaged.
    """
    path = Path(path)
    check_new_file(path, overwrite=overwrite or path.suffix == ".md")
    if path.suffix == ".md":
        _read_card(path)


def write_model_index(path: str | os.PathLike, results: list[EvalResult], model_name: str) -> None:
    """
    Writes results as YAML; or, to a card (`.md`), into its head, in the place of earlier ones about the same data. `mvgpt export-hub`
    takes over those in the card of the folder that it exports.

    Args:
        path (`str`): the file.
        results (`list[EvalResult]`): what [`eval_results`] returned.
        model_name (`str`): what the model is called beside them.

    Raises:
        OSError: if it cannot be written.
        ValueError: if the head of the card is damaged.
    """
    path = Path(path)
    if path.suffix != ".md":
        write_file(path, ModelCardData(model_name=model_name, eval_results=results).to_yaml() + "\n")
        return
    card = _read_card(path)
    data: Any = card.data
    about = {result.unique_identifier for result in results}
    others = [result for result in data.eval_results or [] if result.unique_identifier not in about]
    data.model_name = data.model_name or model_name
    data.eval_results = others + results
    write_file(path, str(card))


def _read_card(path: Path) -> ModelCard:
    """The card, or a new one."""
    try:
        text = ""
        if path.is_file():
            # ends of lines stay as they are
            with open(path, encoding="utf-8-sig", newline="") as file:
                text = file.read()
        return ModelCard(text if text.lstrip().startswith("---") else f"{_EMPTY_HEAD}{text}")
    except Exception as error:  # of a YAML parser, or one for a head that is no mapping
        raise ValueError(f"The head of {path} cannot be read: correct it, or name another file.") from error
