# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""`mvgpt ablations`: what the parts of the model are worth."""

from pathlib import Path
from typing import Annotated

import typer


def ablations(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="Recipe of an instruction stage, as for `train`.")],
    questions: Annotated[Path, typer.Argument(metavar="QUESTIONS", help="JSONL file, as for `evaluate`.")],
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where ablations.json, .md and .png go.")],
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="What replaces values of the recipe.")
    ] = None,
) -> None:
    """Train the same model with each of its parts exchanged, and score the answers. An interrupted run goes on."""
    from tqdm import tqdm

    from ..evaluation.ablations import run_ablations
    from ..evaluation.report import draw_scores, score_table
    from ..training import load_recipe
    from .training_progress import TrainingProgress

    bars: dict[str, tqdm] = {}

    def show(name: str, done: int, total: int) -> None:
        if name not in bars:
            bars[name] = tqdm(desc=name, total=total)
        bars[name].update(done - bars[name].n)

    results = run_ablations(
        load_recipe(recipe, overrides or []), questions, folder / "ablations.json", show, [TrainingProgress()]
    )
    scores = {name: result["scores"] for name, result in results.items()}
    (folder / "ablations.md").write_text(score_table(scores), encoding="utf-8")
    draw_scores(scores, folder / "ablations.png")
    typer.echo(score_table(scores), nl=False)
