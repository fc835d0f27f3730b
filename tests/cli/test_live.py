# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""`mvgpt live`: growing files, streams, typed questions, and how it ends."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time

import pytest
import torch
from typer.testing import CliRunner

from live_sources import ffmpeg, served, wait_for_bytes
from terminals import run_in_terminal
from tiny_trained import MOBILEVLM, TINYLLAVA
from transformers_mvgpt import demo
from transformers_mvgpt.cli.live_loop import LiveLoop
from transformers_mvgpt.cli.main import app
from transformers_mvgpt.demo.drawn_clip import make_clip, write_clip


QUESTION = "How many objects can be seen in all?"
ALLOWED = ["--limit", "allow_private_addresses=true"]
COMMAND = [sys.executable, "-m", "mvgpt_command", "live"]


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """12 seconds, in which one object is seen."""
    path = tmp_path_factory.mktemp("live") / "clip.ts"
    write_clip(make_clip(910_004, "test", width=128, height=128, fps=20, seconds=12), path)
    return path


def run_live(*arguments, text=""):
    return CliRunner().invoke(app, ["live", *map(str, arguments), "--device", "cpu"], input=text)


def notes(result) -> list[str]:
    """Lines on stderr, but for transformers' bar, which the command hides where it has a process of its own."""
    return [line for line in result.stderr.splitlines() if line and "Loading weights" not in line]


def answers(result) -> list[dict]:
    assert result.exit_code == 0, result.stderr
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_a_question_again_and_again(clip):
    result = run_live(clip, QUESTION, "--every", 4, "--as-fast-as-possible", "--idle-seconds", 0.2)
    assert (result.exit_code, result.stdout) == (
        0,
        "[0:00.0 - 0:04.0] one\n[0:00.0 - 0:08.0] one\n[0:00.0 - 0:11.8] one\n",
    )
    [note] = notes(result)
    assert "the package's small one answers" in note


def test_lines_of_json(clip):
    options = ["--as-fast-as-possible", "--idle-seconds", 0.2, "--json", "--quiet"]
    window = ["--window-seconds", 5, "--frames-per-second", 2]
    result = run_live(clip, QUESTION, *options, *window)
    first, last = answers(result)
    assert first == {
        "start_seconds": 5.5,
        "end_seconds": 10.0,
        "question": QUESTION,
        "answer": "one",
        "num_frames": 10,
        "num_dropped_frames": 0,
    }
    assert (last["end_seconds"], last["num_frames"]) == (11.5, 10)
    assert notes(result) == []


def test_tinyllava(clip):
    result = run_live(
        clip, QUESTION, "--as-fast-as-possible", "--idle-seconds", 0.2, "--model", TINYLLAVA, "--max-new-tokens", 3
    )
    assert result.exit_code == 0 and len(result.stdout.splitlines()) == 2


def test_a_stream_over_tcp(clip):
    content = clip.read_bytes()
    pieces = [content[start : start + 20_000] for start in range(0, len(content), 20_000)]
    with served(pieces, pause=0.02) as port:
        [answer] = answers(run_live(f"tcp://127.0.0.1:{port}", QUESTION, "--every", 60, "--json", *ALLOWED))
    assert answer["answer"] in ("one", "two")
    assert answer["end_seconds"] > 1


def test_a_stream_that_breaks_off(clip):
    with served([clip.read_bytes()[:100_000]], end="stall") as port:
        result = run_live(f"tcp://127.0.0.1:{port}", QUESTION, "--silence-seconds", 1, "--quiet", *ALLOWED)
    assert result.exit_code == 1
    [line] = notes(result)
    assert line == (
        f"Error: The stream 'tcp://127.0.0.1:{port}' has sent nothing for 1 seconds: check what sends it, or allow a longer silence, as with "
        "`--silence-seconds 2`."
    )


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["0", QUESTION], 1, "There is no camera at '/dev/video0': connect one, or pass another number or path"),
        (["missing.ts", QUESTION], 1, "There is no video at 'missing.ts'"),
        (
            ["http://127.0.0.1:9/", QUESTION],
            1,
            "an address of this machine or its own network: only public ones are read",
        ),
        (["rtsp://127.0.0.1/x", QUESTION], 1, "To allow these, set `--limit allow_private_addresses=...`"),
        (["{clip}", "--every", "3"], 2, "Invalid value for '--every': it needs a QUESTION to ask"),
        (["{clip}", QUESTION, "--reconnect"], 2, "Invalid value for '--reconnect': it is for streams and cameras"),
        (["tcp://127.0.0.1:9", QUESTION, "--as-fast-as-possible"], 2, "it is for files, which are there already"),
        (
            ["{clip}", QUESTION, "--model", str(MOBILEVLM)],
            1,
            "MobileVLM takes images, no videos: `mvgpt live` needs a model",
        ),
        (
            ["{clip}", QUESTION, "--model", str(TINYLLAVA), "--frame-selection", "rarest"],
            1,
            "TinyLLaVA-Video selects no frames, it looks at all that it is given: leave `--frame-selection` out",
        ),
        (["{clip}", QUESTION, "--window-seconds", "100000"], 1, "has more than 10,000 frames: lower one of them"),
    ],
)
def test_what_is_refused(clip, arguments, code, message):
    result = run_live(*(argument.format(clip=clip) for argument in arguments), "--quiet")
    assert (result.exit_code, result.stdout) == (code, "")
    [line] = notes(result)
    assert line.startswith("Error: ") and message in line


def test_a_growing_file(clip, tmp_path):
    """Written by FFmpeg at its own speed; a typed question beside the repeated one."""
    path = tmp_path / "growing.ts"
    with ffmpeg("-re", "-i", str(clip), "-c", "copy", "-flush_packets", "1", str(path)):
        wait_for_bytes(path, 20_000)
        options = ["--every", "3", "--json", "--idle-seconds", "2"]
        lines = answers(run_live(path, QUESTION, *options, text="Does anything move?\n"))
    asked = [line["question"] for line in lines]
    assert asked.count("Does anything move?") == 1 and asked.count(QUESTION) >= 2
    assert lines[-1]["end_seconds"] == pytest.approx(11.75, abs=0.3) and lines[-1]["answer"] == "one"


def test_in_a_terminal(clip):
    """A typed question is answered in place, dropped frames are said, Ctrl+C ends it."""
    moments = {}

    def type_something(text: str, terminal: int) -> None:
        if "Ctrl+D ends." in text and "asked" not in moments:
            moments["asked"] = True
            os.write(
                terminal,
                b"Does anything\x7f\x7f\x7f\x7f\x7f\x7f\x7f\x7f\x7f\x7f\x7f\x7f\x7f" + QUESTION.encode() + b"\n",
            )
        if re.search(r"\] \w+\r\n", text) and "ended" not in moments:
            moments["ended"] = True
            os.write(terminal, b"\x03")

    run = run_in_terminal([*COMMAND, str(clip), "--device", "cpu"], on_text=type_something)
    assert moments.keys() == {"asked", "ended"}
    assert run.exit_code == 130
    assert "Traceback" not in run.text
    assert any(re.fullmatch(r"\[0:00\.0 - 0:\d\d\.\d\] (one|two|none|zero)", line) for line in run.screen), run.screen


def test_the_end_of_typed_questions_is_the_end(clip):
    with served([clip.read_bytes()[:150_000]], end="stall") as port:
        source = f"tcp://127.0.0.1:{port}"
        result = run_live(source, "--silence-seconds", 60, *ALLOWED, text=f"{QUESTION}\n\n  Is there a circle?  ")
    assert result.exit_code == 0
    assert len(result.stdout.splitlines()) == 2


@pytest.mark.slow
def test_sigterm(clip):
    with served([clip.read_bytes()[:150_000]], end="stall") as port:
        process = subprocess.Popen(
            [*COMMAND, f"tcp://127.0.0.1:{port}", "--device", "cpu", "--silence-seconds", "60", *ALLOWED],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        process.stdin.write(QUESTION + "\n")
        process.stdin.flush()
        assert re.fullmatch(r"\[0:\d\d\.\d - 0:\d\d\.\d\] \w+\n", process.stdout.readline())
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 143
        assert time.monotonic() - began < 15
        assert "Traceback" not in process.stderr.read()


def test_the_end_of_a_pipe_is_not_the_end_of_a_repeated_question(clip):
    """As in the background, where stdin is empty. In a terminal, Ctrl+D ends it."""
    options = ["--as-fast-as-possible", "--idle-seconds", 0.2, "--every", 4, "--json"]
    assert len(answers(run_live(clip, QUESTION, *options, "--max-new-tokens", 1))) == 3


def test_an_answer_ends_with_the_command(clip, monkeypatch):
    """Also one that the encoder thread makes: it writes nothing more once the command is over."""
    monkeypatch.setattr(LiveLoop, "_report", lambda self, is_over=False: interrupt(self, is_over))

    def interrupt(loop, is_over: bool) -> None:
        if not is_over and loop._writing.locked():
            raise KeyboardInterrupt

    began = time.monotonic()
    options = ["--as-fast-as-possible", "--every", 1, "--max-new-tokens", 2000, "--idle-seconds", 0.2]
    monkeypatch.setattr("transformers_mvgpt.chat.video_chat.VideoChat.answer_turn", endless_answer)
    result = run_live(clip, QUESTION, *options, "--quiet")
    assert result.exit_code == 130
    assert time.monotonic() - began < 20
    written = result.stdout
    time.sleep(0.2)
    assert result.stdout == written and not [t for t in threading.enumerate() if t.name == "answer"]


def endless_answer(self, messages, turns, *, stopping_criteria, **options) -> None:
    """Of which each token takes a moment."""
    end = time.monotonic() + 60
    while time.monotonic() < end and not any(bool(ends(torch.zeros(1, 1), None)) for ends in stopping_criteria):
        time.sleep(0.01)


def test_an_adapter(clip, tmp_path, monkeypatch):
    """Its folder has no config.json: what it is for is told by its weights."""
    (tmp_path / "adapter_config.json").write_text(
        json.dumps({"base_model_name_or_path": str(demo.CHECKPOINT), "peft_type": "LORA"})
    )

    def load(model, **options) -> None:
        raise ValueError(f"{model} is loaded.")

    monkeypatch.setattr("transformers_mvgpt.evaluation.pipeline_loading.load_pipeline", load)
    assert notes(run_live(clip, QUESTION, "--model", tmp_path, "--quiet")) == [f"Error: {tmp_path} is loaded."]


def test_a_stream_that_jumps_far():
    """As where a container's times are wrong: the next question is due after the frame, however far that is."""
    options = {"waits": False, "as_json": False, "is_quiet": True, "generate_kwargs": {}}
    loop = LiveLoop(None, lambda on_frame: None, question=QUESTION, every_seconds=0.1, **options)
    for seconds in (0.0, 0.05, 0.25, 1e9, 1e16):
        loop._on_frame(seconds)
        assert seconds < loop._due_seconds <= seconds + 0.2 or seconds > 1e9
    assert loop._due_seconds > 1e16


def test_dropped_frames_are_said(clip, monkeypatch):
    """At most once in a while, and the rest in the end."""
    from transformers_mvgpt import LiveVideo

    real = LiveVideo.add_frame

    def slow(self, frame, seconds):
        time.sleep(0.6)
        return real(self, frame, seconds)

    monkeypatch.setattr(LiveVideo, "add_frame", slow)
    content = clip.read_bytes()
    pieces = [content[start : start + 20_000] for start in range(0, len(content), 20_000)]
    pause = 4 / len(pieces)
    with served(pieces, pause=pause) as port:
        result = run_live(f"tcp://127.0.0.1:{port}", QUESTION, *ALLOWED)
    assert result.exit_code == 0
    dropped = [line for line in notes(result) if "dropped" in line]
    assert 1 <= len(dropped) <= 2
    pattern = r"\d+ frames? dropped: \d\.\d of 4 frames per second were encoded\. Lower --frames-per-second\."
    assert all(re.fullmatch(pattern, note) for note in dropped)
