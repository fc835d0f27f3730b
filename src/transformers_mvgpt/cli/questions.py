# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The last argument of a command that asks: a question, or `-` for one on stdin."""

import os
import sys

import typer

from ..video.limits import shorten
from .terminal_text import is_terminal


# More than any model reads.
_MAX_CHARACTERS = 1_000_000


def split_arguments(arguments: list[str] | None) -> tuple[list[str], str]:
    """
    The videos and the question.

    Raises:
        typer.BadParameter: if one of them is missing.
    """
    *videos, question = arguments or [""]
    if not arguments:
        raise typer.BadParameter("name a video, and ask a question behind it.", param_hint="'VIDEO... QUESTION'")
    if not videos:
        raise typer.BadParameter(
            f"the question is missing behind '{shorten(question)}'; `-` reads it from stdin.", param_hint="'QUESTION'"
        )
    if question == "-":
        return videos, _read_question()
    if os.path.exists(question):
        raise typer.BadParameter(
            f"the last argument is the question, and '{shorten(question)}' is a file. Write the question behind it, or `-` to read it from "
            "stdin.",
            param_hint="'QUESTION'",
        )
    return videos, question


def _read_question() -> str:
    if sys.stdin is None:
        raise typer.BadParameter("there is no stdin to read it from.", param_hint="'QUESTION'")
    if is_terminal(sys.stdin):
        typer.echo("The question, and Ctrl-D behind it:", err=True)
    try:
        question = sys.stdin.read(_MAX_CHARACTERS + 1).strip()
    except UnicodeDecodeError as error:
        raise typer.BadParameter(
            f"what stdin holds is no text in {error.encoding}.", param_hint="'QUESTION'"
        ) from error
    if not question:
        raise typer.BadParameter("stdin is empty: write the question to it.", param_hint="'QUESTION'")
    if len(question) > _MAX_CHARACTERS:
        raise typer.BadParameter(
            f"stdin holds more than {_MAX_CHARACTERS:,} characters: write a question to it.", param_hint="'QUESTION'"
        )
    return question
