# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""`mvgpt draw-clips`: short clips of colored shapes, with questions."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from .progress import step


def draw_clips(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where clips and questions.jsonl go.")],
    num_questions: Annotated[int, typer.Option(min=1, help="Questions, in equal shares of all types.")] = 45,
    first_seed: Annotated[int, typer.Option(min=0, help="Seed of the first clip.")] = 0,
    split: Annotated[
        Literal["train", "validation", "test"], typer.Option(help="Only 'test' has all pairs of color and shape.")
    ] = "test",
    width: Annotated[int | None, typer.Option(help="Pixels; various by default, as are the next three.")] = None,
    height: Annotated[int | None, typer.Option(help="Pixels.")] = None,
    fps: Annotated[int | None, typer.Option(help="Frames per second.")] = None,
    seconds: Annotated[float | None, typer.Option(help="Length.")] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace questions.jsonl, and clips of the same seeds.")
    ] = False,
) -> None:
    """Draw clips of colored shapes, and write questions about them that `mvgpt evaluate` takes."""
    from tqdm import tqdm

    from ..conversion.written_files import check_new_file
    from ..demo.clip_files import write_test_clips

    folder.mkdir(parents=True, exist_ok=True)
    check_new_file(folder / "questions.jsonl", overwrite)
    with step(f"Drawing clips in {folder}"), tqdm(desc="Questions", total=num_questions) as bar:
        for done in write_test_clips(
            folder, num_questions, split, first_seed, width=width, height=height, fps=fps, seconds=seconds
        ):
            bar.update(done - bar.n)
    typer.echo(f"Wrote {folder / 'questions.jsonl'}")
