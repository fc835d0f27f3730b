# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The history of what was typed, and lines that come through a pipe."""

import io
import os
import stat
import sys

import pytest

from transformers_mvgpt.cli.line_input import BadLineError, LineHistory, PipedLines, TypedLines, history_file


def test_history_over_runs(tmp_path):
    path = tmp_path / "state" / "folder" / "chat_history"
    LineHistory(path).append("What is it?")
    history = LineHistory(path)
    for line in ["two\nlines", r"C:\new", "Größe 长", "x" * 10_001]:
        history.append(line)
    assert LineHistory(path).read() == ["What is it?", "two\nlines", r"C:\new", "Größe 长"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.chmod(0o644)
    history.append("again")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_history_is_bounded(tmp_path):
    path = tmp_path / "chat_history"
    path.write_text("".join(f"{number}\n" for number in range(1500)))
    assert LineHistory(path).read() == [str(number) for number in range(500, 1500)]
    assert len(path.read_text().splitlines()) == 1000


def test_no_history_where_there_can_be_none(tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "damaged").write_bytes(b"\xff\xfe\x00\n")
    os.mkfifo(tmp_path / "pipe")
    for path in [tmp_path / "file" / "chat_history", tmp_path, tmp_path / "pipe"]:
        history = LineHistory(path)
        history.append("What?")
        assert history.read() == []
    assert LineHistory(tmp_path / "damaged").read() == ["\ufffd\ufffd\x00"]


def test_where_the_history_is(monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", "/state")
    assert str(history_file()) == "/state/transformers-mvgpt/chat_history"
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", "/home/me")
    assert str(history_file()) == "/home/me/.local/state/transformers-mvgpt/chat_history"


def test_piped_lines(monkeypatch):
    text = "\ufeffWas ist das?\r\n".encode() + b"\xff\n" + "Größe?".encode()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text)))
    lines = PipedLines()
    assert lines.read() == "Was ist das?"
    with pytest.raises(ValueError, match=r"Line 2 of the input is not UTF-8 \(b'\\xff\\n'\): convert it"):
        lines.read()
    assert lines.read() == "Größe?"
    with pytest.raises(EOFError):
        lines.read()


def test_a_typed_line_that_is_no_text(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "stdin", io.StringIO("bad \udcff byte\ngood\n"))
    lines = TypedLines(LineHistory(tmp_path / "history"), [])
    with pytest.raises(BadLineError, match="^The line holds bytes that are not UTF-8: type it again.$"):
        lines.read()
    assert lines.read() == "good"
