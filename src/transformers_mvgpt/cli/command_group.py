# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""How commands begin and end: usage errors as one line, output that nobody reads any more, shells that ask for completions."""

import errno
import os
import select
import signal
import sys
from typing import Any, NoReturn

import typer
from typer.core import TyperGroup

from ..video.error_text import describe_error
from ..video.limits import shorten
from .interruption import INTERRUPTED, end_line


# What all usage errors are, under whichever name.
UsageError: Any = typer.BadParameter.__mro__[1]
EXIT_USAGE = 2
# As of a process that SIGPIPE ends, which Windows has not.
EXIT_BROKEN_PIPE = 128 + getattr(signal, "SIGPIPE", 13)


class CommandGroup(TyperGroup):
    """The sub-commands. An error of usage is one line on stderr, with exit code 2."""

    def main(self, args: Any = None, prog_name: str | None = None, **options: Any) -> NoReturn:  # type: ignore[override]
        args = sys.argv[1:] if args is None else list(args)
        show_any_character()
        try:
            # also where it was started as a module
            code = super().main(args or ["--help"], "mvgpt", **{**options, "standalone_mode": False})
            flush_stdout()
        except UsageError as error:
            typer.echo(f"Error: {_usage_line(error)}", err=True)
            code = EXIT_USAGE
        except OSError as error:
            if not is_broken_pipe(error):
                typer.echo(f"Error: {describe_error(error)}", err=True)
            code = EXIT_BROKEN_PIPE if is_broken_pipe(error) else 1
            forget_stdout()
        except typer.Abort:
            code = INTERRUPTED
        if code == INTERRUPTED:
            end_line()
        sys.exit(code)


def _usage_line(error: Any) -> str:
    """What is wrong with the arguments, and which command's help says what it takes."""
    # which pydantic puts before what a check of its says
    text = error.format_message().replace("Value error, ", "").rstrip(".")
    problems = getattr(error.__cause__, "errors", None)
    given = problems()[0].get("input") if callable(problems) else None
    if isinstance(given, str) and given not in text:
        text += f", got '{shorten(given)}'"
    message = describe_error(ValueError(text)).rstrip(".")
    command = error.ctx.command_path if error.ctx is not None else "mvgpt"
    return f"{message}{'' if message.endswith(('?', '!')) else '.'} See `{command} --help`."


def show_any_character() -> None:
    """A character that the terminal's encoding lacks is shown by its number, instead of an error."""
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="backslashreplace")


def flush_stdout() -> None:
    """
    Raises:
        OSError: if what was written cannot be: the disk is full, or nobody reads it.
    """
    if sys.stdout is not None:
        sys.stdout.flush()


def is_broken_pipe(error: BaseException) -> bool:
    """Whether nobody reads the output any more, as behind `mvgpt ask ... | head -0`; and not another process of the command has ended."""
    if not isinstance(error, OSError) or error.errno != errno.EPIPE:
        return False
    if not hasattr(select, "poll"):  # on Windows
        return True
    outputs = select.poll()
    for stream in (sys.stdout, sys.stderr):
        try:
            outputs.register(stream.fileno(), 0)
        except (AttributeError, OSError, ValueError):  # closed, or no file
            continue
    return any(event & select.POLLERR for _, event in outputs.poll(0))


def forget_stdout() -> None:
    """What is still to be written to stdout goes nowhere, so that the interpreter does not try it again at its end."""
    try:
        number = sys.stdout.fileno()
    except (AttributeError, OSError, ValueError):
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, number)
    os.close(nowhere)
