# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from transformers_mvgpt.cli.main import app, with_one_line_errors


def run_failing(error: Exception):
    failing = typer.Typer()

    @failing.command()
    @with_one_line_errors
    def fail(count: int = 0, overwrite: Annotated[bool, typer.Option("--overwrite")] = False) -> None:
        raise error

    return CliRunner().invoke(failing)


@pytest.mark.parametrize("arguments", [["--help"], []], ids=["help", "nothing"])
def test_help_names_every_command(arguments):
    result = CliRunner().invoke(app, arguments)
    for command in ("ask", "assemble", "convert", "demo", "merge", "train"):
        assert f"\n  {command} " in result.output


def test_unknown_command():
    result = CliRunner().invoke(app, ["dance"])
    assert result.exit_code == 2
    assert "No such command 'dance'" in result.stderr


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("`num_frames` (3)\nis too low."), "Error: `num_frames` (3) is too low.\n"),
        (KeyError("weight"), "Error: KeyError: 'weight'\n"),
        (ValueError(), "Error: ValueError: \n"),
        (
            RuntimeError("x" * 5000 + " the end"),
            f"Error: {('RuntimeError: ' + 'x' * 247)[:247]}...{'x' * 142} the end\n",
        ),
        (OSError("No.\n\nTraceback (most recent call last):\n  File ..."), "Error: No.\n"),
        (
            ValueError(
                "Could not load model x. See the original errors:\n\nTraceback (most recent call last):\n  File ...\nOSError: a\n\n"
                "Traceback (most recent call last):\n  File ...\ntransformers_mvgpt.MissingWeightsError: x lacks 3 weights.\n"
            ),
            "Error: x lacks 3 weights.\n",
        ),
        (ValueError("Let it (`overwrite=True`, `--overwrite`)."), "Error: Let it (`--overwrite`).\n"),
        (ValueError("a\x1b[31mred\x00"), "Error: a[31mred\n"),
        (ValueError('Pass `count="3"` or `size=4`.'), "Error: Pass `--count 3` or `size=4`.\n"),
        (
            ValueError("Raise `max_redirects` of `untrusted_input=UntrustedInput(...)`."),
            "Error: Raise `--limit max_redirects=...`.\n",
        ),
    ],
    ids=[
        *(
            "message of two lines",
            "message without meaning",
            "no message",
            "long",
            "traceback",
            "innermost error",
            "flag",
            "control characters",
        ),
        *("option of the command", "limit"),
    ],
)
def test_an_error_is_one_line_on_stderr(error, line):
    result = run_failing(error)
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", line)


def test_a_command_may_set_the_exit_code():
    assert run_failing(typer.Exit(3)).exit_code == 3
