# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Puts the sub-commands together, and turns their errors into one line."""

import functools
import signal
import sys
from collections.abc import Callable
from typing import Any

import typer

from .ask import ask
from .assemble import assemble
from .bench import bench
from .convert import convert
from .demo import demo
from .draw_clips import draw_clips
from .environment import prepare_environment
from .evaluate import evaluate
from .export_hub import export_hub
from .merge import merge
from .train import train


app = typer.Typer(
    name="mvgpt",
    help="Mobile-VideoGPT: questions about videos.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # plain text, so that an error stays one line
)


def with_one_line_errors(command: Callable[..., None]) -> Callable[..., None]:
    """The command with any error as one line on stderr and exit code 1, instead of a traceback."""

    @functools.wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
        except (typer.Exit, typer.Abort):
            raise
        except Exception as error:
            message = " ".join(str(error).split())
            if not isinstance(error, (ImportError, OSError, ValueError)) or not message:
                message = f"{type(error).__name__}: {message}"  # the text alone says little: KeyError("x") reads 'x'
            typer.echo(f"Error: {message}", err=True)
            raise typer.Exit(1) from error

    return run


for command in (
    ask,
    bench,
    evaluate,
    convert,
    export_hub,
    assemble,
    train,
    merge,
    demo,
    draw_clips,
):
    app.command()(with_one_line_errors(command))


def main() -> None:
    """Entry point of the command `mvgpt`."""
    # by default it would end the process on the spot, and what is half written would stay
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    prepare_environment()
    app()
