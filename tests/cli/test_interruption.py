# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Ctrl-C at any moment: no traceback, exit code 130."""

import subprocess
import sys

import pytest

from transformers_mvgpt.demo import CHECKPOINT, CLIP


# Sends itself what Ctrl-C sends, when a module is about to be imported.
INTERRUPTED_AT = """
import os, signal, sys
class Finder:
    def find_spec(name, path=None, target=None):
        if name == sys.interrupted_at:
            os.kill(os.getpid(), signal.SIGINT)
sys.interrupted_at = sys.argv.pop(1)
sys.meta_path.insert(0, Finder)
"""
AS_SCRIPT = "from mvgpt_command import main; main()"
AS_MODULE = "import runpy; sys.argv[0] = '-m'; sys.orig_argv = sys.argv[:1] + sys.argv; sys.orig_argv[1] = 'transformers_mvgpt.cli'; runpy.run_module('transformers_mvgpt.cli', run_name='__main__', alter_sys=True)"
ASK = ["ask", str(CLIP), "What shape is it?", "--model", str(CHECKPOINT), "--device", "cpu"]


@pytest.mark.parametrize(
    ("start", "module"),
    [
        (AS_SCRIPT, "typer"),
        (AS_SCRIPT, "transformers_mvgpt.cli.main"),
        (AS_SCRIPT, "torch"),
        (AS_SCRIPT, "numpy.linalg"),
        (AS_MODULE, "typer"),
        (AS_MODULE, "transformers_mvgpt.cli.main"),
        # when all is imported and the model is about to be loaded
        (AS_SCRIPT, "transformers_mvgpt.evaluation.pipeline_loading"),
    ],
)
def test_while_modules_are_imported(start, module):
    command = [sys.executable, "-c", INTERRUPTED_AT + start, module, *ASK]
    result = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert (result.returncode, result.stdout) == (130, "")
    # what libraries say about themselves is another matter
    assert "Traceback" not in result.stderr and "Interrupt" not in result.stderr


COMMAND = """
import os, signal, sys, tempfile, time
from pathlib import Path
import mvgpt_command
mvgpt_command.begin()
import transformers_mvgpt.cli.main as commands
from transformers_mvgpt.cli.interruption import interruptible

class Forgetful:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)

def work() -> None:
    with tempfile.TemporaryDirectory(dir=".") as folder:
        Path(folder, "half").write_text("half of a fi")
        {what}
        time.sleep(60)

commands.app.command("work")(commands.with_one_line_errors(interruptible(work)))
commands.app.command("other")(lambda: None)
sys.argv[1:] = ["work"]
commands.main()
"""


@pytest.mark.parametrize(
    "what",
    [
        "os.kill(os.getpid(), signal.SIGINT)",
        "Forgetful()",
        "try: os.kill(os.getpid(), signal.SIGINT); time.sleep(9)\n        except BaseException: raise ImportError('a library that hides it')",
    ],
    ids=["in the command", "in a finalizer", "in a library that makes another error of it"],
)
def test_what_is_half_written_is_removed(tmp_path, what):
    command = [sys.executable, "-c", COMMAND.replace("{what}", what)]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert (result.returncode, result.stdout, result.stderr) == (130, "", "")
    assert list(tmp_path.iterdir()) == []
