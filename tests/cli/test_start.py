# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The command in processes of its own: what its help loads, and that its sub-commands find the models."""

import json
import runpy
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError

import pytest

from transformers_mvgpt.demo import CHECKPOINT, CLIP
from transformers_mvgpt.version import __version__


LARGE = {
    "PIL",
    "av",
    "huggingface_hub",
    "llvmlite",
    "numba",
    "numpy",
    "rich",
    "safetensors",
    "tokenizers",
    "torch",
    "torchvision",
    "tqdm",
    "transformers",
    "yaml",
}
# As a console script is, but that it ends with a line about the process.
SCRIPT = """
import atexit, json, sys, time
atexit.register(
    lambda: print(json.dumps({"modules": sorted(sys.modules), "seconds": time.process_time()}), file=sys.stderr)
)
from mvgpt_command import main
main()
"""


def run_script(script: str, arguments: Sequence[str] = ()) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True, timeout=300)


@pytest.mark.parametrize(
    ("arguments", "code", "large"),
    [
        (["--help"], 0, set()),
        (["--version"], 0, set()),
        (["ask", "--help"], 0, set()),
        (["caption", "--help"], 0, set()),
        (["train", "--help"], 0, {"huggingface_hub", "yaml"}),
        (["dance"], 2, set()),
        (["ask", "clip.mp4"], 2, set()),
        (["convert", "--fast"], 2, set()),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_help_and_usage_errors_load_little(arguments, code, large):
    result = run_script(SCRIPT, arguments)
    assert result.returncode == code
    process = json.loads(result.stderr.splitlines()[-1])
    assert LARGE & set(process["modules"]) == large
    assert len(process["modules"]) < 400
    assert process["seconds"] < 1.5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["ask", "nothing.mp4", "What is it?"], "There is no video at 'nothing.mp4'"),
        (["ask", str(CLIP), " "], "The question is missing: the text is empty."),
        (["chat", "nothing.mp4"], "There is no video at 'nothing.mp4'"),
        (["frames", "nothing.mp4"], "There is no video at 'nothing.mp4'"),
    ],
)
def test_mistakes_are_said_before_torch_is_imported(arguments, message):
    result = run_script(SCRIPT, arguments)
    error, process = result.stderr.splitlines()
    assert (result.returncode, error.startswith(f"Error: {message}")) == (1, True), error
    assert not {"torch", "transformers"} & set(json.loads(process)["modules"])


@pytest.mark.skipif(sys.platform == "win32", reason="it is how POSIX shells close streams")
def test_closed_streams():
    """`<&-` and `2>&-`: nothing is read, what is written goes nowhere, and no file gets their numbers."""
    script = """
import sys
from mvgpt_command import begin
begin()
print(sys.stdin.fileno(), repr(sys.stdin.read()), sys.stderr.fileno())
sys.stderr.write("nobody reads it")
"""
    command = ["sh", "-c", 'exec "$@" <&- 2>&-', "sh", sys.executable, "-c", script]
    result = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=300)
    assert (result.returncode, result.stdout) == (0, "0 '' 2\n")


@pytest.mark.parametrize("start", [["-c", "from mvgpt_command import main; main()"], ["-m", "transformers_mvgpt.cli"]])
def test_version(start):
    result = subprocess.run([sys.executable, *start, "--version"], capture_output=True, text=True, timeout=300)
    assert (result.returncode, result.stdout) == (0, f"mvgpt {__version__}\n")


def test_a_usage_error_is_short():
    result = run_script("from mvgpt_command import main; main()", ["evaluate", "model"])
    assert result.returncode == 2
    assert result.stderr == "Error: Missing argument 'QUESTIONS'. See `mvgpt evaluate --help`.\n"


def test_a_sub_command_finds_the_models():
    """Not before it begins: `mvgpt_command` is what started the process."""
    script = """
import sys
import mvgpt_command
mvgpt_command.is_running = True
import transformers_mvgpt
assert "torch" not in sys.modules
from transformers_mvgpt.cli.main import with_models
def show():
    from transformers import AutoConfig, AutoProcessor
    print(type(AutoConfig.for_model("mobile_videogpt")).__name__)
    print(type(AutoProcessor.from_pretrained(sys.argv[1])).__name__)
with_models(show)()
"""
    result = run_script(script, [str(CHECKPOINT)])
    assert result.stdout == "MobileVideoGPTConfig\nMobileVideoGPTProcessor\n", result.stderr


def test_spawned_processes_find_the_models():
    """They import the script of the command, without calling anything of it."""
    script = """
import mvgpt_command
import transformers_mvgpt
from transformers import AutoConfig
print(type(AutoConfig.for_model("mobile_videogpt")).__name__)
"""
    result = run_script(script)
    assert result.stdout == "MobileVideoGPTConfig\n", result.stderr


@pytest.mark.parametrize(
    "start",
    [["-m", "mvgpt_command"], ["-c", "from transformers_mvgpt.cli import main; main()"]],
    ids=["as a module", "by an older script"],
)
def test_other_ways_to_start(start):
    result = subprocess.run([sys.executable, *start, "--version"], capture_output=True, text=True, timeout=300)
    assert result.stdout == f"mvgpt {__version__}\n", result.stderr


def test_version_of_a_source_that_is_not_installed(monkeypatch):
    def find_nothing(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr("importlib.metadata.version", find_nothing)
    assert runpy.run_path(str(CHECKPOINT.parents[1] / "version.py"))["__version__"] == "0+unknown"


@pytest.mark.slow
def test_the_first_compilation_is_announced(tmp_path, monkeypatch):
    pytest.importorskip("numba")
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    script = "from mvgpt_command import main; main()"
    results = [
        run_script(
            script, ["ask", str(CLIP), "What color is the circle?", "--model", str(CHECKPOINT), "--device", "cpu"]
        )
        for _ in range(2)
    ]
    assert [result.returncode for result in results] == [0, 0]
    assert results[0].stdout == results[1].stdout != ""
    assert [result.stderr.count("numba compiles functions for this CPU") for result in results] == [1, 0]
