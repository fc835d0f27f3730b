# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

import tiny_trained
from caption_soak import watch
from transformers_mvgpt.cli.main import app
from transformers_mvgpt.demo import CHECKPOINT, make_clip, write_clip
from transformers_mvgpt.training.recipe import SHIPPED_RECIPES


MODEL = ("--model", CHECKPOINT, "--device", "cpu", "--max-new-tokens", 8)
PROMPT = ("--prompt", "How many shapes are there?")


def run(*arguments):
    return CliRunner().invoke(app, list(map(str, ("caption", *arguments))))


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    folder = tmp_path_factory.mktemp("drawn")
    for number in range(2):
        write_clip(make_clip(500 + number, "test", width=160, height=96, fps=32, seconds=2), folder / f"{number}.mp4")
    (folder / "notes.txt").write_text("Not a video.")
    return folder


@pytest.fixture
def in_folder(drawn, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("clips").symlink_to(drawn)
    return tmp_path


def read(path="out.jsonl"):
    return [json.loads(line) for line in Path(path).read_text("utf-8").splitlines()]


def test_a_folder(in_folder):
    result = run("clips", *MODEL, *PROMPT, "--out", "out.jsonl", "--frames", "--start-seconds", 0.5)
    assert (result.exit_code, result.stdout) == (0, "Wrote out.jsonl: 2 answered, 0 failed\n"), result.stderr
    assert "Left out: 1 file that is no video (.txt 1).\n" in result.stderr
    assert re.search(r"Answers: 100%.* 2/2 \[.*row/s\]", result.stderr) or "2/2" in result.stderr
    rows = read()
    assert [row["video"] for row in rows] == ["clips/0.mp4", "clips/1.mp4"]
    for row in rows:
        assert list(row) == ["video", "question", "answer", "selected_frames"]
        assert min(frame["seconds"] for frame in row["selected_frames"]) >= 0.5
    result = run("clips", *MODEL, *PROMPT, "--out", "out.jsonl")
    assert result.exit_code == 1
    assert (
        result.stderr.startswith(
            "Error: out.jsonl has answers with other settings: `return_selected_frames` was True, now None, and `start_seconds`. Choose"
        )
        and "begin anew (`--overwrite`)" in result.stderr
    )


def test_some_rows_fail(in_folder):
    rows = [{"video": "clips/0.mp4"}, {"video": "clips/9.mp4", "id": 7}]
    Path("list.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    arguments = ("list.jsonl", "clips/[0]*.mp4", *MODEL, *PROMPT, "--out", "out.jsonl", "--media-anywhere")
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (3, "Wrote out.jsonl: 2 answered, 1 failed\n"), result.stderr
    assert [row.get("error", "")[:26] for row in read()] == ["", "There is no video at './cl", ""]
    # as long as a row has an error, the code says so
    assert run(*arguments).exit_code == 3
    Path("list.jsonl").write_text(json.dumps(rows[0]) + "\n")
    result = run(*arguments, "--retry-errors")
    assert (result.exit_code, result.stdout) == (0, "Wrote out.jsonl: 2 answered, 0 failed\n")
    result = run("list.jsonl", *MODEL, *PROMPT, "--out", "out.jsonl", "--media-anywhere")
    assert result.stdout == "Wrote out.jsonl: 2 answered, 0 failed, 1 of them not in the input any more\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["clips", "--out", "out.jsonl"],
            "A question is missing: give `--prompt ...`, or a list with a column `question`.",
        ),
        (["nowhere", *PROMPT, "--out", "out.jsonl"], "Nothing is at nowhere."),
        (["clips", *PROMPT, "--out", "out.csv"], "The output out.csv must end in .jsonl or .parquet."),
        (["clips/notes.txt", "clips", "--out", "out.jsonl", "--limit", "x=1"], "`--limit x=1` must be NAME=VALUE"),
        (["clips", "--quantization", "int2", "--out", "out.jsonl"], "`quantization` (int2) must be int8 or int4."),
    ],
)
def test_what_is_wrong_is_said_before_the_model_is_loaded(in_folder, monkeypatch, arguments, message):
    monkeypatch.setattr("transformers.pipeline", lambda *args, **kwargs: pytest.fail("it is loaded"))
    result = run(*arguments, *MODEL)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(f"Error: {message}")
    assert list(in_folder.iterdir()) == [in_folder / "clips"]


def test_a_family_without_selected_frames(in_folder):
    result = run(
        "clips", "--model", tiny_trained.TINYLLAVA, *PROMPT, "--out", "out.jsonl", "--frames", "--device", "cpu"
    )
    assert result.exit_code == 1
    assert "selects no frames, it looks at all that it is given" in result.stderr
    assert list(in_folder.iterdir()) == [in_folder / "clips"]


def command(*arguments):
    return [sys.executable, "-m", "mvgpt_command", "caption", *map(str, (*arguments, *MODEL, *PROMPT))]


@pytest.mark.slow
def test_sigterm_ends_it_and_it_goes_on(in_folder):
    rows = [{"video": f"clips/{number % 2}.mp4", "id": number} for number in range(400)]
    Path("list.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    arguments = command("list.jsonl", "--media-anywhere", "--out", "out.jsonl")
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        watch(process, lambda: Path("out.jsonl").exists() and len(read()) >= 4)
        process.send_signal(signal.SIGTERM)
        out, error = process.communicate(timeout=120)
    written = len(read())
    assert (process.returncode, out) == (143, "")
    assert 4 <= written < 400
    assert error.splitlines()[-1] == f"Stopped after {written} of 400 rows. The same command goes on."
    assert sorted(path.name for path in in_folder.iterdir()) == [
        *("clips", "list.jsonl", "out.jsonl", "out.jsonl.settings.json")
    ]


@pytest.mark.slow
def test_two_processes_are_killed_and_one_goes_on(in_folder):
    rows = [{"video": f"clips/{number % 3}.mp4", "id": number} for number in range(120)]
    Path("list.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    launch = [sys.executable, "-m", "accelerate.commands.launch", f"--main_process_port={port}"]
    launch += [f"--config_file={SHIPPED_RECIPES / 'accelerate' / 'cpu.yaml'}", "--module"]
    arguments = command("list.jsonl", "--media-anywhere", "--out", "out.jsonl")
    two = [*launch, *arguments[2:]]
    part = Path("out.jsonl.part-1")
    with subprocess.Popen(two, stderr=subprocess.DEVNULL, start_new_session=True) as process:
        watch(process, lambda: part.exists() and len(read(part)) >= 10)
        children = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True).stdout.split()
        for pid in map(int, children):  # the two, not what launched them
            signal.pidfd_send_signal(os.pidfd_open(pid), signal.SIGKILL)
        process.kill()
    assert part.stat().st_size
    while subprocess.run(["pgrep", "-P", ",".join(children)], capture_output=True).returncode == 0:
        time.sleep(0.1)
    result = subprocess.run([*arguments], capture_output=True, text=True, timeout=300)
    assert (result.returncode, result.stdout) == (3, "Wrote out.jsonl: 80 answered, 40 failed\n"), result.stderr
    found = read()
    assert [row["id"] for row in found] == list(range(120))
    result = subprocess.run([*two[:-1], PROMPT[1], "--overwrite"], capture_output=True, text=True, timeout=300)
    assert (result.returncode, result.stdout) == (0, "Wrote out.jsonl: 80 answered, 40 failed\n"), result.stderr
    assert read() == found
    assert not part.exists()
