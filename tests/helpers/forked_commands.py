# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
Many commands in processes of their own for the price of one start: a process loads what `mvgpt` loads, as it does, and is
forked for each.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest


_SCRIPT = """
import gc, json, os, sys
import mvgpt_command

mvgpt_command.is_running = True
from transformers_mvgpt.cli.environment import hide_bars_of_transformers, prepare_environment, silence_others

prepare_environment()
silence_others()
from transformers_mvgpt.registration import register_all

register_all()
hide_bars_of_transformers()
# `mvgpt bench` need not measure the machine well
from transformers_mvgpt.evaluation import machine_limits

machine_limits._ROWS = machine_limits._INNER = machine_limits._COLUMNS = 64
machine_limits._READ_BYTES, machine_limits._SAMPLE_SECONDS = 2**20, 0
# what is there already is not copied by collecting garbage
gc.collect()
gc.freeze()
for line in sys.stdin:
    arguments, files, folder = json.loads(line)
    process = os.fork()
    if process == 0:
        for number, file in enumerate(files):
            os.dup2(os.open(file, os.O_RDWR), number)
        os.chdir(folder)
        sys.argv = ["mvgpt", *arguments]
        mvgpt_command.main()
        sys.exit()
    print(process, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), flush=True)
"""


@dataclass(frozen=True)
class CommandRun:
    """What a command has written, and its exit code."""

    stdout: str
    stderr: str
    exit_code: int


class ForkedCommands:
    """
    Runs commands, one after the other.

    Args:
        folder (`Path`): Where they run, and their output lies.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._log = (folder / "start.log").open("w+")
        self._process = subprocess.Popen(
            [sys.executable, "-c", _SCRIPT],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            cwd=folder,
        )

    def run(
        self, arguments: Sequence[object], stdin: str = "", while_running: Callable[[Path, Path], None] | None = None
    ) -> CommandRun:
        """
        Args:
            arguments: Of `mvgpt`.
            stdin (`str`): What it reads.
            while_running: Called with the files of stdout and stderr; then the command is sent SIGTERM.
        """
        files = [self.folder / f"{name}.log" for name in ("stdin", "stdout", "stderr")]
        for file, text in zip(files, (stdin, "", ""), strict=True):
            file.write_text(text)
        assert self._process.stdin is not None and self._process.stdout is not None
        line = json.dumps([list(map(str, arguments)), list(map(str, files)), str(self.folder)])
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        process = self._process.stdout.readline()
        assert process, self.start_messages()
        if while_running is not None:
            try:
                while_running(*files[1:])
            finally:
                os.kill(int(process), signal.SIGTERM)
        exit_code = int(self._process.stdout.readline())
        return CommandRun(*(file.read_text() for file in files[1:]), exit_code)

    def start_messages(self) -> str:
        """What was on stderr before the first command."""
        self._log.seek(0)
        return self._log.read()

    def close(self) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(60)
        self._process.stdout.close()
        self._log.close()


def wait_for_text(file: Path, text: str, seconds: float = 120) -> str:
    """What a file holds as soon as a text is in it."""
    end = time.monotonic() + seconds
    while text not in (content := file.read_text()):
        if time.monotonic() > end:
            pytest.fail(f"{text!r} does not appear in: {content}")
        time.sleep(0.05)
    return content
