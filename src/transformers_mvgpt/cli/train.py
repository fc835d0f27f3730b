# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""`mvgpt train`: one stage of training, as a recipe says."""

from typing import Annotated

import typer


def train(
    recipe: Annotated[
        str, typer.Argument(metavar="RECIPE", help="YAML file, or the name of a recipe that comes with the package.")
    ],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(metavar="[KEY=VALUE]...", help="What replaces values of the recipe, such as output=my-model."),
    ] = None,
) -> None:
    """
    Run one stage of training. A run that was interrupted goes on where it stopped when the same command is given again. For several
    processes, start it with `accelerate launch --no-python mvgpt train ...`.
    """
    from ..training import load_recipe, run
    from ..training.trainer import PROBLEMS_FILE, count_problems
    from .training_progress import TrainingProgress

    progress = TrainingProgress()
    output = run(load_recipe(recipe, overrides or []), callbacks=[progress])
    if not progress.is_main_process:
        return
    if num_problems := count_problems(output):
        typer.echo(f"{num_problems} problems with samples: see {output / PROBLEMS_FILE}", err=True)
    typer.echo(f"Wrote {output}")
