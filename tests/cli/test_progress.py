# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The moving line, in processes with a terminal of their own."""

import io
import os
import subprocess
import sys

import pytest

from terminals import run_in_terminal
from transformers_mvgpt.cli.progress import step
from transformers_mvgpt.cli.terminal_text import width


# No test here needs torch.
START = """
import logging, os, sys, threading, time
import mvgpt_command
mvgpt_command.is_running = True
from transformers_mvgpt.cli.progress import step
from transformers_mvgpt.video.reading_reports import report_reading
"""
# A handler that holds stderr from before; a stream of words; a step within; a process without threads; a blocked main thread.
MIXED = """
logger = logging.getLogger("other")
logger.addHandler(logging.StreamHandler())
with step("Loading the model") as change:
    time.sleep(1.3)
    print("a line on stdout")
    logger.warning("a line on stderr")
    time.sleep(0.5)
    for word in ("The ", "circle ", "is ", "red."):
        print(word, end="", flush=True)
        time.sleep(0.3)
    print()
    time.sleep(0.4)
    change("Reading 日本語\\x1b[31m.mp4")
    time.sleep(0.4)
    with step("Inside"):
        time.sleep(0.4)
    if os.fork() == 0:
        print("child")
        sys.stdout.flush()
        os._exit(0)
    os.wait()
    time.sleep(0.4)
print("answer")
assert "write" not in vars(sys.stdout) and "write" not in vars(sys.stderr)
"""


def run(script, **options):
    return run_in_terminal([sys.executable, "-c", START + script], **options)


@pytest.mark.parametrize("num_columns", [40, 80])
def test_it_moves_and_makes_way(num_columns):
    shown = run(MIXED, num_columns=num_columns)
    assert shown.exit_code == 0, shown.text
    lines = [line for line in shown.screen if line]
    # what a forked process writes goes past the line
    child = lines.pop(-2)
    assert child.startswith("child") or "Reading" in child
    assert "child" in shown.text
    assert lines == ["a line on stdout", "a line on stderr", "The circle is red.", "answer"]
    drawn = [part for part in shown.text.split("\r") if part.strip() and part[0] in "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"]
    assert max(map(width, drawn)) < num_columns
    texts = [line[2:].rstrip() for line in drawn]
    assert texts[0] == "Loading the model  0 s"
    assert "Loading the model  1 s" in texts
    assert any(text.startswith("Reading 日本語\\x1b[31m.mp4  ") for text in texts)
    assert any(text == "Inside  0 s" for text in texts)
    assert texts[-1].startswith("Reading")
    assert len({line[0] for line in drawn}) == 10


def test_what_is_read_is_counted():
    script = """
report_reading("bytes", 1, 2)
with step("Looking at clip.mp4"):
    for reading in (("bytes", 2_000_000, 30_000_000), ("bytes", 4_000_000, None), ("frames", 3, 16), ("frames", 16, 16)):
        report_reading(*reading)
        time.sleep(0.6)
"""
    drawn = [part[2:].rstrip().rpartition("  ")[0] for part in run(script).text.split("\r") if part.strip()]
    beginning = "Looking at clip.mp4"
    said = [f"{beginning}: 2.0 of 30.0 MB", f"{beginning}: 4.0 MB", f"{beginning}: 3 of 16 frames", beginning]
    assert list(dict.fromkeys(drawn)) == said


def test_what_is_quick_shows_nothing():
    assert run("with step('Loading'): time.sleep(0.1)").text == ""


def test_an_interruption_leaves_a_clean_line():
    sent = []

    def interrupt(text, terminal):
        if "Loading  1 s" in text and not sent:
            sent.append(True)
            os.write(terminal, b"\x03")

    shown = run("with step('Loading'): time.sleep(60)", on_text=interrupt, timeout=30)
    assert shown.seconds < 20
    assert not any("Loading" in line for line in shown.screen if "step(" not in line)
    assert "KeyboardInterrupt" in shown.text


def test_a_narrow_terminal():
    shown = run("with step('Loading the model ' * 9): time.sleep(1.2)", num_columns=20)
    drawn = [part for part in shown.text.split("\r") if part.strip()]
    assert drawn[-1] == "⠼ Loading t...  1 s"
    assert run("with step('Loading'): time.sleep(0.8)", num_columns=6).text.split("\r")[1] == "⠋ 0 s"


def test_a_terminal_that_cannot_go_back():
    script = "with step('Loading'):\n time.sleep(1)\n print('meanwhile')\n time.sleep(0.5)"
    assert run(script, environment={"TERM": "dumb"}).text == "Loading ...\r\nmeanwhile\r\n"


def test_other_encodings():
    text = run("with step('Loading'): time.sleep(0.8)", environment={"PYTHONIOENCODING": "ascii"}).text
    assert text.startswith("\r| Loading  0 s\r")


def test_tqdm_and_the_line_take_turns():
    script = """
from tqdm import tqdm
with step("Around"):
    for leave in (True, False):
        for _ in tqdm(range(3), desc="Bar", leave=leave):
            time.sleep(0.3)
        time.sleep(0.5)
"""
    shown = run(script)
    assert [line[:9] for line in shown.screen if line] == ["Bar: 100%"]
    assert "Around" in shown.text


def test_nothing_without_a_terminal(monkeypatch):
    result = subprocess.run(
        [sys.executable, "-c", START + "with step('Loading') as change: time.sleep(0.8); change('Other')"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with step("Loading", is_quiet=True) as change:
        change("Other")
        assert not vars(terminal)
    with step("Loading"):
        assert "write" in vars(terminal)
    assert not vars(terminal)
