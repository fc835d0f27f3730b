# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
Runs a page from its first block to its last, as a reader would, and compares what is shown with what comes:

    ```python                        ```console
    chat.ask("What is red?")         $ mvgpt ask clip.mp4 "What is red?"
    # 'cross'                        cross
    ```                              ```

`...` in what is shown stands for anything. What a command writes to stderr (progress, notes) is not compared.
"""

import ast
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from code_blocks import Block, blocks_of
from transformers_mvgpt.cli.main import app


def is_run(block: Block) -> bool:
    """Whether [`run_page`] runs a block: one of the languages that it knows, without a mark."""
    return block.language in ("python", "console") and not block.mark


def run_page(page: Path) -> None:
    """
    Runs the page's blocks in the working folder.

    Raises:
        AssertionError: if something else comes than is shown.
    """
    namespace: dict[str, Any] = {"__name__": "readme"}
    for block in filter(is_run, blocks_of(page)):
        if block.language == "python":
            run_python(block.code, namespace)
        else:
            run_console(block.code)


def run_python(code: str, namespace: dict[str, Any]) -> None:
    shown = 0
    lines = code.splitlines()
    for statement in ast.parse(code).body:
        source = "\n".join(lines[statement.lineno - 1 : statement.end_lineno])
        if not isinstance(statement, ast.Expr):
            exec(source, namespace)
            continue
        value = eval(source.partition("  # ")[0], namespace)
        comment = lines[statement.end_lineno] if statement.end_lineno < len(lines) else ""
        if comment.startswith("# "):
            assert re.fullmatch(_pattern(comment.removeprefix("# ")), repr(value), re.DOTALL), (
                f"{source}\ngives {value!r}"
            )
            shown += 1
    assert shown == len(re.findall(r"^# ", code, re.MULTILINE))


def run_console(code: str) -> None:
    _, *parts = re.split(r"^\$ ", code, flags=re.MULTILINE)
    for part in parts:
        command = re.match(r"(?:.*\\\n)*.*\n?", part)[0]
        shown = part.removeprefix(command).rstrip()
        command = command.replace("\\\n", " ").strip()
        output = _run(command)
        assert re.fullmatch(_pattern(shown), output.rstrip(), re.DOTALL), f"$ {command}\ngives\n{output}"


def _run(command: str) -> str:
    if command.startswith("mvgpt ") and "|" not in command:
        result = CliRunner().invoke(app, shlex.split(command, comments=True)[1:])
        assert result.exit_code == 0, f"$ {command}\n{result.output}"
        return result.stdout
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert done.returncode == 0, f"$ {command}\n{done.stderr}"
    return done.stdout


def _pattern(shown: str) -> str:
    return re.escape(shown).replace(r"\.\.\.", ".*")
