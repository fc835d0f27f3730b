# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Frames as a picture in a terminal that draws some, and as a list in all others."""

import base64
import io
import re
import sys

import pytest
from PIL import Image

from transformers_mvgpt import FrameSelection
from transformers_mvgpt.cli import shown_frames
from transformers_mvgpt.demo import CLIP


FRAMES = [
    {"index": 8 * number, "seconds": 0.5 * number, "score": 30.0 + number, "is_selected": number % 2 == 1}
    for number in range(8)
]
RECORD = {
    "generated_text": "yes",
    "selected_frames": [frame for frame in FRAMES if frame["is_selected"]],
    "frame_selections": [{"method": "scores", "frames_per_chunk": 8, "num_zero_frames": 0, "frames": FRAMES}],
}
LIST = [f"frame {8 * number:6d}  {0.5 * number:9.2f} s  score {30 + number}.0" for number in (1, 3, 5, 7)]


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def terminal(monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("TERM_PROGRAM", "iTerm.app")
    monkeypatch.setenv("COLORFGBG", "15;0")
    for name in ("TMUX", "STY", "KITTY_WINDOW_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("transformers_mvgpt.viewing.terminal_pictures.letter_width", lambda stream, num_columns: 8)
    monkeypatch.setenv("COLUMNS", "80")
    return Terminal()


def drawn(text):
    found = re.fullmatch(r"\x1b\]1337;File=inline=1;size=\d+;width=79;preserveAspectRatio=1:([\w+/=]+)\a\n", text)
    return Image.open(io.BytesIO(base64.b64decode(found[1])))


def show_answer(terminal, monkeypatch, record=RECORD, video=str(CLIP)):
    # not in a fixture: pytest puts its own there when a test begins
    monkeypatch.setattr(sys, "stderr", terminal)
    shown_frames.show_answer_frames(record, video)


def test_a_picture_of_an_answer(terminal, monkeypatch):
    show_answer(terminal, monkeypatch)
    picture = drawn(terminal.getvalue())
    assert abs(picture.width - 2 * 79 * 8) <= 1
    assert picture.getpixel((2, 2)) == (13, 17, 23)  # as the terminal


def test_a_picture_of_a_selection(terminal, monkeypatch):
    monkeypatch.setattr(sys, "stdout", terminal)
    selection = FrameSelection.from_record(RECORD, str(CLIP))
    shown_frames.show_selection(selection, "light")
    assert drawn(terminal.getvalue()).getpixel((2, 2)) == (255, 255, 255)


@pytest.mark.parametrize("why", ["piped", "address", "narrow", "no_matplotlib", "no_protocol", "two_videos"])
def test_a_list_elsewhere(why, terminal, monkeypatch):
    record, video = RECORD, str(CLIP)
    if why == "piped":
        monkeypatch.setattr(terminal, "isatty", lambda: False)
    if why == "address":
        video = "https://example.org/clip.mp4"
    if why == "narrow":
        monkeypatch.setenv("COLUMNS", "40")
    if why == "no_matplotlib":
        monkeypatch.setattr(shown_frames, "find_spec", lambda name: None)
    if why == "no_protocol":
        monkeypatch.setenv("TERM_PROGRAM", "Apple_Terminal")
        monkeypatch.setattr("transformers_mvgpt.viewing.terminal_pictures._ask_attributes", lambda: [])
    if why == "two_videos":
        record = {**RECORD, "frame_selections": RECORD["frame_selections"] * 2}
    show_answer(terminal, monkeypatch, record, video)
    assert terminal.getvalue().splitlines() == LIST


def test_a_video_of_zero_frames_alone(capsys):
    """Of one frame, which draws less attention than the zero frames behind it: an empty list would say nothing."""
    frame = {"index": 0, "seconds": 0.0, "score": 1.0, "is_selected": False}
    described = {"method": "scores", "frames_per_chunk": 8, "num_zero_frames": 15, "frames": [frame]}
    shown_frames.show_answer_frames({"selected_frames": [], "frame_selections": [described]}, "one.mp4")
    assert capsys.readouterr().err == "0 of 1 frame chosen by their scores; zero frames chosen in its place\n"


def test_times_from_a_minute_on():
    """As everywhere else, and as --start-seconds takes them."""
    frame = {"index": 3, "seconds": 65.25, "score": 2.0, "is_selected": True}
    assert shown_frames.frame_lines([frame]) == ["frame      3      1:05.25  score 2.0"]
    described = {
        "method": "scores",
        "frames_per_chunk": 8,
        "num_zero_frames": 0,
        "frames": [{**frame, "seconds": 5.0}, frame],
    }
    lines = shown_frames.selection_lines(FrameSelection.from_description(described, [None, None]))
    assert lines == ["frame 3   5.00 s  score 2.0  chosen", "frame 3  1:05.25  score 2.0  chosen"]
