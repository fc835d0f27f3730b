# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""What the parts of the model are worth: the same model, trained and tested with each of them exchanged."""

import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback, set_seed

from transformers_mvgpt.conversion.loading import load_model
from transformers_mvgpt.evaluation import answer_questions, guess_answers, read_questions, score_by_type
from transformers_mvgpt.training import DataCollator, InstructionDataset, Recipe, VisionLanguageTrainer
from transformers_mvgpt.training.arguments import training_arguments
from transformers_mvgpt.training.stages import prepare_model

from .ablated_model import Ablation, ablate


# One change each, beside the model as it is.
ABLATIONS = {
    "as published": Ablation(),
    "frames: lowest scores": Ablation(frames="lowest"),
    "frames: uniform": Ablation(frames="uniform"),
    "frames: random": Ablation(frames="random"),
    "image encoder alone": Ablation(encoders="image"),
    "video encoder alone": Ablation(encoders="video"),
    "fresh projector: ET-Proj": Ablation(projector="fresh_etp"),
    "fresh projector: linear": Ablation(projector="linear"),
    "fresh projector: two-layer MLP": Ablation(projector="mlp"),
}


def run_ablations(
    recipe: Recipe,
    questions_file: str | os.PathLike,
    results_file: str | os.PathLike,
    on_progress: Callable[[str, int, int], None] | None = None,
    callbacks: Iterable[TrainerCallback] = (),
) -> dict[str, Any]:
    """
    Trains each of [`ABLATIONS`] as the recipe says, from the same model, on the same data in the same order, and scores its
    answers. Those that `results_file` has already are not run again.

    Args:
        recipe ([`Recipe`]): of the stage `"instruction"`; its `output` holds what the trainer writes.
        questions_file (`str`): as for [`read_questions`].
        results_file (`str`): JSON file to write.
        on_progress (`Callable[[str, int, int], None]`, *optional*): called with the name of an ablation and how many of the
            questions are answered.
        callbacks (`Iterable[TrainerCallback]`): what looks on at the training.

    Returns:
        `dict[str, Any]`: by name of the ablation, `scores` by type of question and the last `loss`.
    """
    results_file, questions = Path(results_file), read_questions(questions_file)
    results = json.loads(results_file.read_text(encoding="utf-8")) if results_file.exists() else {}
    for name, ablation in ABLATIONS.items():
        if name not in results:
            results[name] = _run(name, ablation, recipe, questions, on_progress, list(callbacks))
            results_file.parent.mkdir(parents=True, exist_ok=True)
            results_file.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    results["guesser"] = {"scores": _rounded(score_by_type(questions, guess_answers(questions)))}
    results_file.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    return results


def _run(
    name: str,
    ablation: Ablation,
    recipe: Recipe,
    questions: list,
    on_progress: Callable[[str, int, int], None] | None,
    callbacks: list[TrainerCallback],
) -> dict[str, Any]:
    loaded = load_model(recipe.model, {}, dtype=torch.float32)
    set_seed(recipe.seed)
    ablated, processor = ablate(loaded.model, loaded.processor, ablation)
    model = prepare_model(ablated, recipe)
    trainer = VisionLanguageTrainer(
        model=model,
        args=training_arguments(recipe, Path(recipe.output)),
        train_dataset=InstructionDataset(recipe.data, recipe.media_folder),
        data_collator=DataCollator(processor, recipe.max_length, pad_images=recipe.pad_images),
        callbacks=callbacks,
        projector_learning_rate=recipe.projector_learning_rate,
    )
    trainer.train()
    set_seed(recipe.seed)  # random frames are the same ones each time
    answers = []
    for answer in answer_questions(ablated.eval(), processor, questions):
        answers.append(answer)
        if on_progress is not None:
            on_progress(name, len(answers), len(questions))
    losses = [record["loss"] for record in trainer.state.log_history if "loss" in record]
    return {"scores": _rounded(score_by_type(questions, answers)), "loss": losses[-1]}


def _rounded(scores: dict[str, float]) -> dict[str, float]:
    return {kind: round(share, 4) for kind, share in scores.items()}
