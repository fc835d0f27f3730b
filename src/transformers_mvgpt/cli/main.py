# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Puts the sub-commands together, and turns their errors into one line."""

import functools
import signal
import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

import mvgpt_command

from .ask import ask
from .assemble import assemble
from .bench import bench
from .caption import caption
from .chat import chat
from .command_group import EXIT_BROKEN_PIPE, CommandGroup, flush_stdout, forget_stdout, is_broken_pipe
from .convert import convert
from .demo import demo
from .draw_clips import draw_clips
from .environment import hide_bars_of_transformers, prepare_environment, show_messages, silence_others
from .error_lines import one_line
from .evaluate import evaluate
from .export_gguf import export_gguf
from .export_hub import export_hub
from .export_onnx import export_onnx
from .frames import frames
from .interruption import INTERRUPTED, interruptible, is_interruption
from .live import live
from .merge import merge
from .progress import step
from .recipe_help import TrainCommand, first_sentence
from .serve import serve
from .train import train
from .web import web


app = typer.Typer(
    name="mvgpt",
    cls=CommandGroup,
    help="Ask small video-language models about videos and images; train, measure and publish them.",
    # Plain text, so that an error stays one line.
    rich_markup_mode=None,
)


def show_version(context: typer.Context, wanted: bool) -> None:
    """Prints the version and ends the command, if that is wanted."""
    if wanted and not context.resilient_parsing:  # as while a shell completes
        from ..version import __version__

        typer.echo(f"mvgpt {__version__}")
        raise typer.Exit


@app.callback()
def take_options(
    version: Annotated[
        bool, typer.Option("--version", "-V", help="Show the version and exit.", callback=show_version, is_eager=True)
    ] = False,
) -> None:
    # No docstring: it would be shown as the help.
    pass


def with_one_line_errors(command: Callable[..., None]) -> Callable[..., None]:
    """
    The command with any error as one line on stderr and exit code 1, instead of a traceback. Where nobody reads its output any more, or
    after Ctrl-C, it ends without a word.
    """

    @functools.wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
            flush_stdout()
        except (typer.Exit, typer.Abort, typer.BadParameter):
            raise
        except Exception as error:
            if is_interruption(error):
                raise typer.Exit(INTERRUPTED) from error
            if is_broken_pipe(error):
                forget_stdout()
                raise typer.Exit(EXIT_BROKEN_PIPE) from error
            typer.echo(f"Error: {one_line(error, command)}", err=True)
            raise typer.Exit(1) from error

    return run


def with_models(command: Callable[..., None], *, is_quiet: bool = False) -> Callable[..., None]:
    """
    The command, after the package has been registered with transformers. Both are loaded here and not before: help and
    usage errors need neither. If it is quiet, stderr has nothing but errors.
    """

    @functools.wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        if mvgpt_command.is_running:
            prepare_environment()
            show_messages(is_quiet=is_quiet)
            silence_others()
        with step("Loading PyTorch and transformers", is_quiet=is_quiet):
            from ..registration import register_all

            register_all()
        if mvgpt_command.is_running:
            hide_bars_of_transformers()
        interruptible(command)(*args, **kwargs)

    return run


for command in (
    ask,
    chat,
    frames,
    live,
    caption,
    bench,
    evaluate,
    convert,
    export_hub,
    export_onnx,
    export_gguf,
    assemble,
    train,
    merge,
    demo,
    draw_clips,
    serve,
    web,
):
    app.command(
        cls=TrainCommand if command is train else TyperCommand,
        # What typer would take itself is cut off at the end of the line.
        short_help=first_sentence(command.__doc__ or ""),
    )(
        with_one_line_errors(
            command if command in (ask, bench, chat, frames, live, train, web) else with_models(command)
        )
    )


def main() -> None:
    """Runs the command. In a process of its own, it is called by `mvgpt_command`."""
    # by default it would end the process on the spot, and what is half written would stay
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    app()
