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
    for name, row in scores["scores"].items():
        typer.echo(f"{name:16s}" + "  ".join(f"{kind} {share:.1%}" for kind, share in row.items()))
    typer.echo(f"Wrote {target}")
