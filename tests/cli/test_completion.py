# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Completion in a shell, which asks the command itself."""

import json
import os
import shutil
import subprocess
import sys

import pytest


COMMAND = """
import atexit, json, sys, time
atexit.register(
    lambda: print(json.dumps({"torch": "torch" in sys.modules, "seconds": time.process_time()}), file=sys.stderr)
)
from mvgpt_command import main
main()
"""


def run(variables: dict[str, str], *arguments: str) -> tuple[list[str], dict]:
    environment = {**os.environ, **variables}
    command = [sys.executable, "-c", COMMAND, *arguments]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment)
    return result.stdout.splitlines(), json.loads(result.stderr.splitlines()[-1])


def complete(*words: str) -> list[str]:
    variables = {"_MVGPT_COMPLETE": "complete_bash", "COMP_WORDS": "\n".join(("mvgpt", *words))}
    found, process = run({**variables, "COMP_CWORD": str(len(words))})
    assert not process["torch"]
    # 0.12 on an idle machine
    # torch alone takes more than twice as long; on a busy machine, processor seconds vary
    assert process["seconds"] < 1
    return found


def test_commands_options_and_choices():
    assert complete("a") == ["ask", "assemble"]
    assert complete("ask", "a.mp4", "Why?", "--video-b") == ["--video-backend"]
    assert complete("ask", "a.mp4", "Why?", "--dtype", "b") == ["bfloat16"]


def test_files_are_left_to_the_shell():
    """Which completes them where the command names nothing."""
    assert complete("ask", "cli") == [""]
    # otherwise it would be that of the shell around the tests, which may be none that has completion
    named = {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    script, process = run(named, "--show-completion", "bash")
    assert "complete -o default -F _mvgpt_completion mvgpt" in script and not process["torch"]
    zsh, _ = run({"_MVGPT_COMPLETE": "complete_zsh", "_TYPER_COMPLETE_ARGS": "mvgpt ask cli"})
    assert zsh == ["_files"]


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_in_bash(tmp_path):
    (tmp_path / "mvgpt").write_text(f'#!/bin/sh\nexec {sys.executable} -m mvgpt_command "$@"\n')
    (tmp_path / "mvgpt").chmod(0o755)
    script = """
        eval "$(mvgpt --show-completion bash)"
        COMP_WORDS=(mvgpt capt) COMP_CWORD=1
        _mvgpt_completion mvgpt
        echo "${COMPREPLY[@]}"
    """
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    result = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=120, env=environment)
    assert result.stdout == "caption\n"
