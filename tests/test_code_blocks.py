# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
Every block of code on a page is run by a test, or says what it needs. Python and `console` without a mark are run by tests/test_pages.py; any
other block of Python or shell has a line in front of its fence, in words:

    <!-- run by: tests/test_gguf_page.py -->
    <!-- needs: a published model -->

Commands of ours are understood by the command, whatever the mark.
"""

import re
import shlex
from collections.abc import Iterator

import pytest
import typer

from code_blocks import PAGES, ROOT, RUN_PAGES, Block, blocks_of
from page_runner import is_run
from transformers_mvgpt.cli.main import app


BLOCKS = [block for page in PAGES for block in blocks_of(page)]
CODE = [block for block in BLOCKS if block.language in ("python", "py", "console", "bash", "sh")]
COMMAND = typer.main.get_command(app)


def command_lines(block: Block) -> Iterator[str]:
    """What is typed: all lines of a script, and those behind a `$` where output is shown too."""
    text = block.code.replace("\\\n", " ")
    if block.language in ("bash", "sh"):
        yield from text.splitlines()
    elif block.language in ("", "console", "text"):
        yield from re.findall(r"^\$ (.*)", text, re.MULTILINE)


def arguments_of_ours(line: str) -> list[list[str]]:
    """The arguments of each `mvgpt` in a line, also behind a variable, a pipe or a launcher of processes."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.commenters, lexer.whitespace_split = "#", True
    commands: list[list[str]] = []
    is_ours = False
    for word in lexer:
        if set(word) <= set("|&;<>()"):
            is_ours = False
        elif is_ours:
            commands[-1].append(word)
        elif word == "mvgpt":
            is_ours = True
            commands.append([])
    return commands


LINES = [
    pytest.param(arguments, id=f"{block} {' '.join(arguments[:2])}")
    for block in BLOCKS
    for line in command_lines(block)
    for arguments in arguments_of_ours(line)
]


def test_blocks_say_who_runs_them():
    unmarked = [str(block) for block in CODE if not block.mark and not (is_run(block) and block.page in RUN_PAGES)]
    assert unmarked == [], (
        "no test runs these blocks: write `<!-- run by: tests/path/test_x.py -->` or `<!-- needs: what it needs -->` into the "
        "line before the fence"
    )


def test_named_tests_know_the_page():
    for block in CODE:
        if block.mark == "run by":
            test = ROOT / block.said.partition(",")[0]
            assert test.is_file(), f"{block}: there is no {test.name}"
            text = test.read_text("utf-8")
            assert block.page.stem in text, f"{block}: {test.name} does not name the page"


def test_marks_stand_in_front_of_blocks():
    """A mark that is written in another way, or anywhere else, would mark nothing."""
    for page in PAGES:
        text = page.read_text("utf-8")
        marks = len(re.findall(r"<!-- *(?:needs|run by)\b", text))
        assert marks == sum(bool(block.mark) for block in blocks_of(page)), page.name


@pytest.mark.parametrize("arguments", LINES)
def test_our_commands_are_understood(arguments):
    """As far as the command would go before it loads a model."""
    context = COMMAND.make_context("mvgpt", list(arguments), resilient_parsing=True)
    name, *options = arguments
    if name.startswith("-"):
        return
    sub_command = COMMAND.get_command(context, name)
    assert sub_command is not None, f"there is no command {name!r}"
    if "--help" not in options:
        sub_command.make_context(name, options, parent=context)


def test_commands_are_found():
    line = "HF_HUB_OFFLINE=1 accelerate launch --no-python mvgpt ask a.mp4 'What?' | tee x && mvgpt demo  # mvgpt"
    assert arguments_of_ours(line) == [["ask", "a.mp4", "What?"], ["demo"]]
    assert len(LINES) > 20


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("mvgpt convert", "Missing parameter: source"),
        ("mvgpt convert model folder --no-such-option", "No such option: --no-such-option"),
        ("mvgpt draw-clips clips --num-questions many", "valid integer"),
        ("mvgpt draw-clip clips", "no command 'draw-clip'"),
    ],
)
def test_what_is_not_understood(line, message):
    with pytest.raises((Exception, AssertionError), match=message):
        test_our_commands_are_understood(arguments_of_ours(line)[0])
