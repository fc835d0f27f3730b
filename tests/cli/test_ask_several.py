# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""`mvgpt ask` about several videos, with the package's small model."""

import io
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from transformers_mvgpt.cli.answer_output import AnswerOutput
from transformers_mvgpt.cli.main import app
from transformers_mvgpt.demo import CLIP


SHAPE, SOME = "What shape is it?", "triangle"


@pytest.fixture
def clips(tmp_path, monkeypatch):
    """Clips that are the same, a damaged one and what is none, in the current folder."""
    monkeypatch.chdir(tmp_path)
    os.makedirs("clips/more")
    for name in ("take 10.mp4", "take 2.mp4", "a[1].mp4", "more/z.mp4"):
        shutil.copy(CLIP, os.path.join("clips", name))
    for name in ("bad.mp4", "notes.txt"):
        with open(os.path.join("clips", name), "w") as file:
            file.write("nothing")


@pytest.fixture(autouse=True)
def no_bars(monkeypatch):
    """As in a process of the command."""
    monkeypatch.setattr("transformers.utils.logging._tqdm_active", False)


def ask(*arguments: str, **options: Any) -> Any:
    return CliRunner().invoke(app, ["ask", *arguments, "--device", "cpu"], **options)


@pytest.mark.usefixtures("clips")
class TestSeveral:
    def test_a_folder(self):
        result = ask("clips", SHAPE)
        assert result.stdout.splitlines() == [
            f"clips/{name}: {SOME}" for name in ("a[1].mp4", "take 2.mp4", "take 10.mp4", "more/z.mp4")
        ]
        assert result.exit_code == 3
        default, left_out, error = result.stderr.splitlines()
        assert default.startswith("No --model is named: the package's small one answers")
        assert left_out == "In 'clips': Left out: 1 file that is no video (.txt 1)."
        assert error.startswith("Error: The video 'clips/bad.mp4' could not be read")

    def test_patterns_and_names_that_are_patterns(self):
        result = ask("clips/a[1].mp4", "clips/take*.mp4", SHAPE, "--quiet")
        assert result.stdout.splitlines() == [
            f"clips/{name}: {SOME}" for name in ("a[1].mp4", "take 2.mp4", "take 10.mp4")
        ]
        assert (result.exit_code, result.stderr) == (0, "")

    def test_json(self):
        result = ask("clips/take 2.mp4", "clips/bad.mp4", "-", "--json", "--show-frames", "-q", input=f"\n{SHAPE}\n")
        good, bad = map(json.loads, result.stdout.splitlines())
        assert {name: good[name] for name in ("file", "question", "answer")} == {
            "file": "clips/take 2.mp4",
            "question": SHAPE,
            "answer": SOME,
        }
        assert good["seconds"] > 0 and len(good["frames"]) == 8
        assert list(good["frames"][0]) == ["index", "seconds", "score"]
        assert bad.keys() == {"file", "question", "error"} and bad["file"] == "clips/bad.mp4"
        assert (result.exit_code, result.stderr) == (3, f"Error: {bad['error']}\n")

    def test_json_of_one(self):
        result = ask("clips/bad.mp4", SHAPE, "--json", "-q")
        assert json.loads(result.stdout)["error"].startswith("The video 'clips/bad.mp4' could not be read")
        assert result.exit_code == 3

    def test_no_model_is_loaded_for_nothing(self, monkeypatch):
        monkeypatch.setattr("transformers.pipeline", None)
        result = ask("clips/bad.mp4", "clips/missing.mp4", SHAPE, "-q")
        assert (result.exit_code, result.stdout, len(result.stderr.splitlines())) == (3, "", 2)

    def test_options_of_the_command_in_errors_of_videos(self):
        result = ask("clips/take 2.mp4", "clips/take 10.mp4", SHAPE, "--start-seconds", "1:00:00", "-q")
        assert result.exit_code == 3 and result.stdout == ""
        assert all("(3600.0) lies beyond the end of the video" in line for line in result.stderr.splitlines())

    def test_the_page_about_it(self, tmp_path):
        """What docs/ask.md shows of folders and of stdin, but for the order in which a terminal shows two streams."""
        for name in ("a[1].mp4", "more/z.mp4", "notes.txt"):
            os.remove(os.path.join("clips", name))
        page = (Path(__file__).parents[2] / "docs" / "ask.md").read_text("utf-8")
        shown = page.partition('$ mvgpt ask clips "What shape is it?"\n')[2].partition("\n```")[0].splitlines()
        result = ask("clips", "What shape is it?", "-q")
        assert result.exit_code == 3
        assert sorted(shown) == sorted([*result.stdout.splitlines(), *result.stderr.splitlines()])
        assert "mvgpt ask clip.mp4 - < question.txt" in page
        assert ask("clips/take 2.mp4", "-", "-q", input=SHAPE).stdout == f"{SOME}\n"

    def test_one_video_has_no_head(self):
        assert ask("clips/take 2.mp4", SHAPE, "-q").stdout == f"{SOME}\n"

    def test_streamed_to_a_terminal(self, monkeypatch):
        monkeypatch.setattr(
            AnswerOutput, "is_streaming", property(lambda writer: True, lambda writer, value: None), raising=False
        )
        result = ask("clips/take 2.mp4", "clips/bad.mp4", "clips/take 10.mp4", SHAPE, "-q")
        assert result.stdout == f"clips/take 2.mp4: {SOME}\nclips/take 10.mp4: {SOME}\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none*.mp4"], "Nothing matches the pattern 'none*.mp4'. Check it."),
        (["a.mp4", "none[0-9].mp4"], "Nothing matches the pattern 'none[0-9].mp4'. Check it."),
        (["empty"], "The folder 'empty' holds no videos. Check the path."),
        (["texts"], "The folder 'texts' holds no videos. Left out: 1 file that is no video (.txt 1). Check the path."),
    ],
    ids=["pattern", "one of them", "empty folder", "folder of texts"],
)
def test_nothing_there(tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("transformers.pipeline", None)
    os.mkdir("empty")
    os.mkdir("texts")
    (tmp_path / "texts" / "a.txt").write_text("nothing")
    result = ask(*arguments, SHAPE, "-q")
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", f"Error: {message}\n")


class Stdout(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("pieces", "written"),
    [
        (["one"], "a.mp4: one\n"),
        (["one\ntw", "o\n\nthree\n"], "a.mp4: one\na.mp4: two\na.mp4: \na.mp4: three\n"),
        ([], "a.mp4:\n"),
        (["\x1b[2Jred\x07\tend"], "a.mp4: ?[2Jred?\tend\n"),
    ],
    ids=["line", "lines", "nothing", "controls"],
)
def test_each_line_is_headed(monkeypatch, pieces, written):
    monkeypatch.setattr(sys, "stdout", stdout := Stdout())
    writer = AnswerOutput("Why?", are_several=True, as_json=False)
    writer.begin("a.mp4")
    for piece in pieces:
        writer.write(piece)
    writer.finish(None)
    assert stdout.getvalue() == written


def test_names_are_shown_in_one_line(capsys):
    writer = AnswerOutput("Why?", are_several=True, as_json=False)
    writer.begin("a\nb\x1b.mp4")
    writer.finish("so")
    assert capsys.readouterr().out == "a\\nb\\x1b.mp4: so\n"
    writer.begin("data:video/mp4;base64," + "A" * 40_000)
    writer.finish("so")
    assert len(capsys.readouterr().out) < 300
    writer = AnswerOutput("Why?", are_several=False, as_json=True)
    writer.begin("u\u2028v\x9b31m\x7f.mp4")
    writer.finish("so")
    assert r'"file": "u\u2028v\u009b31m\u007f.mp4"' in capsys.readouterr().out


def test_many_videos_are_for_another_command(monkeypatch):
    monkeypatch.setattr("transformers_mvgpt.cli.ask._MANY", 1)
    line = "2 videos: `mvgpt caption` writes the answers to a file"
    assert line in ask("missing 1.mp4", "missing 2.mp4", SHAPE).stderr
    assert line not in ask("missing 1.mp4", "missing 2.mp4", SHAPE, "-q").stderr
