# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""`python -m train_tiny`: the command behind `make tiny-models`."""

import signal
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from train_demo.progress_bars import ProgressBars
from transformers_mvgpt.cli.environment import prepare_environment
from transformers_mvgpt.evaluation.report import score_table

from .build import TINY_MODELS, train_tiny_model


_Name = StrEnum("_Name", list(TINY_MODELS))


def main(
    name: Annotated[_Name, typer.Argument(help="Which model.")],
    target: Annotated[Path, typer.Argument(metavar="TARGET", help="Folder to write the model and its scores to.")],
    work: Annotated[
        Path, typer.Option(help="Folder for files and unfinished work; an interrupted run goes on from it.")
    ],
) -> None:
    """Train a tiny model from nothing: draw colored shapes, train all parts, answer the test questions."""
    bars = ProgressBars()
    try:
        scores = train_tiny_model(name.value, target, work, on_progress=bars.report)
    finally:
        bars.close()
    typer.echo(score_table(scores["scores"]), nl=False)
    typer.echo(f"Wrote {target}")


if __name__ == "__main__":
    # by default it would end the process on the spot, and its workers would stay
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    prepare_environment()
    typer.run(main)
