# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""`python -m train_demo`: the commands behind `make train-demo` and `make ablations`."""

import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from transformers_mvgpt.cli.environment import prepare_environment
from transformers_mvgpt.cli.training_progress import TrainingProgress
from transformers_mvgpt.evaluation.report import draw_scores, score_table
from transformers_mvgpt.training import load_recipe

from .ablations import run_ablations
from .build import train_small_model
from .progress_bars import ProgressBars


app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def train(
    target: Annotated[Path, typer.Argument(metavar="TARGET", help="Folder to write the model and its scores to.")],
    work: Annotated[
        Path, typer.Option(help="Folder for clips and unfinished work; an interrupted run goes on from it.")
    ],
) -> None:
    """Train a small model from nothing: draw clips of colored shapes, train all parts, answer the test questions."""
    bars = ProgressBars()
    try:
        scores = train_small_model(target, work, on_progress=bars.report)
    finally:
        bars.close()
    typer.echo(score_table(scores["scores"]), nl=False)
    typer.echo(f"Wrote {target}")


@app.command()
def ablations(
    recipe: Annotated[
        str, typer.Argument(metavar="RECIPE", help="Recipe of an instruction stage, as for `mvgpt train`.")
    ],
    questions: Annotated[Path, typer.Argument(metavar="QUESTIONS", help="JSONL file, as for `mvgpt evaluate`.")],
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where ablations.json, .md and .png go.")],
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="What replaces values of the recipe.")
    ] = None,
) -> None:
    """Train the same model with each of its parts exchanged, and score the answers. An interrupted run goes on."""
    bars = ProgressBars()
    try:
        results = run_ablations(
            load_recipe(recipe, overrides or []),
            questions,
            folder / "ablations.json",
            bars.show,
            [TrainingProgress()],
        )
    finally:
        bars.close()
    scores = {name: result["scores"] for name, result in results.items()}
    (folder / "ablations.md").write_text(score_table(scores), encoding="utf-8")
    draw_scores(scores, folder / "ablations.png")
    typer.echo(score_table(scores), nl=False)


if __name__ == "__main__":
    # by default it would end the process on the spot, and its workers would stay
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    prepare_environment()
    app()
