# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""`mvgpt train-demo`: a small model of drawn clips, from nothing."""

import tempfile
from pathlib import Path
from typing import Annotated

import typer


def train_demo(
    target: Annotated[Path, typer.Argument(metavar="TARGET", help="Folder to write the model and its scores to.")],
    work: Annotated[
        Path | None,
        typer.Option(help="Folder for clips and unfinished work, from which an interrupted run goes on."),
    ] = None,
) -> None:
    """Train a small model from nothing: draw clips of coloured shapes, train all parts, answer the test questions."""
    from tqdm import tqdm

    from ..demo.build import train_small_model
    from ..evaluation.report import score_table

    bars: dict[str, tqdm] = {}

    def show(step: str, done: int, total: int, figures: dict[str, float]) -> None:
        if step not in bars:
            bars[step] = tqdm(desc=step, total=total)
        bars[step].set_postfix(
            {name: f"{value:.3g}" for name, value in figures.items() if name != "step"}, refresh=False
        )
        bars[step].update(done - bars[step].n)

    work = work or Path(tempfile.gettempdir(), "mvgpt-train-demo")
    try:
        scores = train_small_model(target, work, on_progress=show)
    finally:
        for bar in bars.values():
            bar.close()
    typer.echo(score_table(scores["scores"]), nl=False)
    typer.echo(f"Wrote {target}")
