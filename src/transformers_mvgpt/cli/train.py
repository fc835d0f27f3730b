# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""`mvgpt train`: one stage of training, as a recipe says."""

from typing import TYPE_CHECKING, Annotated

import typer

from .limits import LimitOption, parse_limits
from .progress import step


if TYPE_CHECKING:
    from ..training.recipe import Recipe
    from ..video.limits import UntrustedInput


def train(
    recipe: Annotated[
        str, typer.Argument(metavar="RECIPE", help="YAML file, or the name of a recipe that comes with the package.")
    ],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(metavar="[KEY=VALUE]...", help="What replaces values of the recipe, such as output=my-model."),
    ] = None,
    limit: LimitOption = None,
) -> None:
    """
    Run one stage of training. A run that was interrupted goes on where it stopped when the same command is given again. For several
    processes, start it with `accelerate launch --no-python mvgpt train ...`.
    """
    from ..training.recipe import load_recipe
    from ..training.requirements import check_packages
    from .main import with_models

    # what is wrong with these is said at once, before torch and the models are loaded
    loaded = load_recipe(recipe, overrides or [])
    check_packages(loaded)
    with_models(_run)(loaded, parse_limits(limit))


def _run(recipe: "Recipe", limits: "UntrustedInput") -> None:
    from ..training import run
    from ..training.stop_signals import TrainingStopped
    from ..training.trainer import PROBLEMS_FILE, count_problems
    from .training_progress import TrainingProgress

    progress = TrainingProgress()
    try:
        with step(f"Training {recipe.output}"):
            output = run(recipe, callbacks=[progress], untrusted_input=limits)
    except TrainingStopped as stopped:
        if progress.is_main_process:
            typer.echo(str(stopped), err=True)
        raise typer.Exit(128 + stopped.signal_number) from stopped
    finally:
        progress.close()
    if not progress.is_main_process:
        return
    if num_problems := count_problems(output):
        typer.echo(f"{num_problems} problems with samples: see {output / PROBLEMS_FILE}", err=True)
    typer.echo(f"Wrote {output}")
