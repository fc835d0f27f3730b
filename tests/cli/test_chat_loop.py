# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The loop of a chat and what it saves, without a model."""

import json

import pytest
import typer

from transformers_mvgpt.chat.turns import Turns
from transformers_mvgpt.cli.chat_loop import ChatLoop, OpenedVisual
from transformers_mvgpt.cli.saved_chat import SavedVisual


class Lines:
    """Lines and errors, in turn."""

    def __init__(self, *lines):
        self._lines = iter(lines)

    def read(self):
        line = next(self._lines)
        if isinstance(line, Exception):
            raise line
        return line


def loop(lines, name="clip.mp4"):
    conversation = Turns()
    conversation._add("Why?", "so \x1b[2J")
    opened = OpenedVisual(SavedVisual(name, "video"), conversation, lambda: None)
    return ChatLoop(lambda path: opened, opened, lines, is_typed=False)


@pytest.mark.parametrize(
    "error", [OSError(9, "Bad file descriptor"), ValueError("I/O operation on closed file")], ids=str
)
def test_stdin_that_cannot_be_read_ends_it(error, capsys):
    """As under `nohup`, which opens it for writing alone. The next read would bring the same, for ever."""
    with pytest.raises(typer.Exit) as end:
        loop(Lines(error)).run()
    assert end.value.exit_code == 1
    message = capsys.readouterr().err
    assert message.startswith("Error: Stdin cannot be read: ") and message.count("\n") == 1


def test_saved_names_and_answers_are_data(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name = "a\n# b\udcff.mp4"
    assert loop(Lines("/save\ttalk.md", "/save talk.json", EOFError()), name).run() == 0
    assert (tmp_path / "talk.md").read_text("utf-8") == "# a\\n# b\\udcff.mp4\n\n> Why?\n\nso ?[2J\n"
    part = json.loads((tmp_path / "talk.json").read_text("utf-8"))[0]["content"][0]
    assert part["path"] == str(tmp_path / name)
