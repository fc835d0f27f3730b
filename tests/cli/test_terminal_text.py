# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Text on a terminal, and paths that someone types there."""

import io
import sys

import pytest

from transformers_mvgpt.cli.chat_loop import parse_path
from transformers_mvgpt.cli.progress import step
from transformers_mvgpt.cli.terminal_text import (
    AnswerWriter,
    harmless,
    harmless_line,
    is_dumb,
    styled,
    width,
    write_note,
)


class Terminal(io.StringIO):
    def isatty(self):
        return True


def written(pieces, stream):
    writer = AnswerWriter(stream)
    for piece in pieces:
        writer.write(piece)
    writer.end()
    return stream.getvalue()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("The circle is blue and moves up.", "The circle\nis blue and\nmoves up."),
        ("a line\n\n  indented", "a line\n\n  indented"),
        ("extraordinarily long", "extraordinarily\nlong"),
        ("圆形是蓝色的并且向上移动", "圆形是蓝色的\n并且向上移动"),
        ("red\x1b[31m\x07\rbell", "red?[31m??b\nell".replace("b\nell", "bell")),
        ("twelve chars", "twelve chars"),
    ],
    ids=repr,
)
def test_lines_are_broken_between_words(monkeypatch, text, shown):
    monkeypatch.setenv("COLUMNS", "12")
    for pieces in [[text], list(text)]:
        assert written(pieces, Terminal()) == f"{shown}\n"


def test_elsewhere_text_stays_as_it_is(monkeypatch):
    monkeypatch.setenv("COLUMNS", "12")
    text = "The circle is blue and moves up.\x07"
    assert written([text[:7], text[7:]], io.StringIO()) == f"{text}\n"


def test_styles(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert styled("a", "bold", Terminal()) == "\x1b[1ma\x1b[0m"
    assert styled("a", "bold", io.StringIO()) == "a"
    monkeypatch.setenv("NO_COLOR", "1")
    assert styled("a", "dim", Terminal()) == "a"
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert styled("a", "dim", Terminal()) == "a"


@pytest.mark.parametrize(
    ("text", "shown", "in_a_line"),
    [
        ("a\tb\n", "a\tb\n", "a\\tb\\n"),
        ("\x1b[2J\x9b31m", "?[2J?31m", "\\x1b[2J\\x9b31m"),
        ("4pm.\u202egpj", "4pm.?gpj", "4pm.\\u202egpj"),
        ("\u2066a\u2028\udcff", "?a??", "\\u2066a\\u2028\\udcff"),
        # two words in one of Persian, a family, a blank that keeps words together
        (
            "می\u200cخواهم 👩\u200d👧 5\xa0s 日",
            "می\u200cخواهم 👩\u200d👧 5\xa0s 日",
            "می\u200cخواهم 👩\u200d👧 5\xa0s 日",
        ),
    ],
)
def test_what_a_terminal_would_take_for_a_command(text, shown, in_a_line):
    assert (harmless(text), harmless_line(text)) == (shown, in_a_line)


def test_width():
    assert [width(text) for text in ("abc", "日本", "e\u0301", "می\u200cخ")] == [3, 4, 1, 3]


def test_streams_that_there_are_not(monkeypatch):
    """As under `pythonw`."""
    monkeypatch.setattr(sys, "stderr", None)
    assert is_dumb(None) and styled("a", "bold", None) == "a"
    write_note("nobody reads it")
    with step("Loading"):
        pass


@pytest.mark.parametrize(
    ("typed", "path"),
    [
        ("clip.mp4", "clip.mp4"),
        ("my clip.mp4", "my clip.mp4"),
        ("'my clip.mp4'", "my clip.mp4"),
        ('"my clip.mp4"', "my clip.mp4"),
        (r"my\ clip.mp4", "my clip.mp4"),
        ("Bob's clip.mp4", "Bob's clip.mp4"),
        ("'quoted' name", "'quoted' name"),
        ("~/clip.mp4", "/home/me/clip.mp4"),
        ("'~/my clip.mp4'", "/home/me/my clip.mp4"),
        ("https://a.b/c?d=e&f='g'", "https://a.b/c?d=e&f='g'"),
    ],
)
def test_paths(monkeypatch, typed, path):
    monkeypatch.setenv("HOME", "/home/me")
    assert parse_path(typed) == path


def test_a_path_that_is_there_is_taken_as_it_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "'a'").write_text("")
    assert parse_path("'a'") == "'a'"
