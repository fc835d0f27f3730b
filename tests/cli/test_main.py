# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
import os
import shlex
import subprocess
import sys
from typing import Annotated

import pytest
import typer
from typer.main import get_command
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


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["dance"], "No such command 'dance'. See `mvgpt --help`."),
        (["aks"], "No such command 'aks'. Did you mean 'ask'? See `mvgpt --help`."),
        (["--dance"], "No such option: --dance. See `mvgpt --help`."),
        (["convert", "a"], "Missing argument 'TARGET'. See `mvgpt convert --help`."),
        (["assemble", "a"], "Missing option '--language-model'. See `mvgpt assemble --help`."),
        (
            ["draw-clips", "a", "--split", "all"],
            "Invalid value for '--split': 'all' is not one of 'train', 'validation', 'test'. See `mvgpt draw-clips --help`.",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_usage_errors_are_one_line(arguments, line):
    result = CliRunner().invoke(app, arguments)
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", f"Error: {line}\n")


@pytest.mark.parametrize(
    ("command", "option", "value"),
    [
        (["serve", "m"], "--port", "x99"),
        (["serve", "m"], "--port", "99999"),
        (["evaluate", "m", "q"], "--batch-size", "0"),
    ],
    ids=["no number", "too high", "too low"],
)
def test_a_wrong_value_is_named(command, option, value):
    result = CliRunner().invoke(app, [*command, option, value])
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"Error: Invalid value for '{option}': ") and f"'{value}'" in result.stderr
    assert result.stderr.endswith(f". See `mvgpt {command[0]} --help`.\n") and result.stderr.count("\n") == 1


def test_every_usage_error_is_one_line():
    for name in get_command(app).commands:
        result = CliRunner().invoke(app, [name, "--no-such-option"])
        assert (result.exit_code, result.stdout) == (2, "")
        assert result.stderr == f"Error: No such option: --no-such-option. See `mvgpt {name} --help`.\n"


COMMAND = """
import sys
import mvgpt_command
mvgpt_command.begin()
import typer
import transformers_mvgpt.cli.main as commands

def work(text: str) -> None:
    typer.echo(text)

commands.app.command("work")(commands.with_one_line_errors(work))
commands.main()
"""


def run_writing(text: str, stdout: str, **variables: str) -> subprocess.CompletedProcess:
    script = f"{shlex.join([sys.executable, '-c', COMMAND, 'work', text])} {stdout}"
    environment = {**os.environ, **variables}
    return subprocess.run(
        ["sh", "-c", script],
        capture_output=True,
        encoding=variables.get("PYTHONIOENCODING"),
        text=True,
        timeout=120,
        env=environment,
    )


@pytest.mark.skipif(os.name != "posix", reason="the shell is another one")
class TestOutput:
    def test_nobody_reads_it(self):
        result = run_writing("yes", "| sleep 0")
        assert result.stderr == ""
        with subprocess.Popen(
            [sys.executable, "-c", COMMAND, "work", "yes"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process:
            process.stdout.close()
            assert (process.wait(60), process.stderr.read()) == (141, b"")

    def test_no_room_is_left(self):
        if not os.path.exists("/dev/full"):
            pytest.skip("there is no /dev/full")
        result = run_writing("yes", "> /dev/full")
        assert (result.returncode, result.stderr) == (1, "Error: [Errno 28] No space left on device\n")

    def test_its_encoding_lacks_a_character(self):
        result = run_writing("caf\u00e9 \u2713", "", PYTHONIOENCODING="latin-1")
        assert (result.returncode, result.stdout) == (0, "caf\u00e9 \\u2713\n")

    def test_there_is_none(self):
        assert run_writing("yes", ">&-").returncode == 0


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
