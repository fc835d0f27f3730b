# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
import pytest
from typer.testing import CliRunner

from transformers_mvgpt.cli.main import app
from transformers_mvgpt.cli.times import parse_time


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0),
        ("65", 65.0),
        ("65.5", 65.5),
        (".5", 0.5),
        ("1:05", 65.0),
        ("01:05.25", 65.25),
        ("90:00", 5400.0),
        ("1:02:03.5", 3723.5),
        ("0:00:07", 7.0),
        (" 65 ", 65.0),
    ],
)
def test_times(text, seconds):
    assert parse_time(text) == seconds


NO_TIMES = ["1:75", "1:60:00", "-3", "nan", "inf", "1e3", "1:2:3:4", "", ":05", "1:", "1.5:00", "٣", "9" * 400, "5s"]


@pytest.mark.parametrize("text", NO_TIMES)
def test_what_is_no_time(text):
    with pytest.raises(ValueError, match="is no time: write seconds .65, 65.5., minutes and seconds .1:05., or hours"):
        parse_time(text)


@pytest.mark.parametrize(
    "command", [["ask", "a", "Why?"], ["caption", "a", "--out", "a.jsonl"], ["chat", "a"], ["frames", "a"]], ids=str
)
def test_a_segment_that_ends_too_early(command):
    """Also where neither the video nor the model is there."""
    result = CliRunner().invoke(app, [*command, "--model", "m", "--start-seconds", "1:05", "--end-seconds", "2"])
    assert (result.exit_code, result.stdout) == (2, "")
    assert "'--end-seconds': the end (2 s) is not after the start (65 s, --start-seconds)" in result.stderr


@pytest.mark.parametrize("command", [["ask", "a.mp4", "Why?"], ["caption", "a.mp4", "--out", "a.jsonl"]])
@pytest.mark.parametrize("option", ["--start-seconds", "--end-seconds"])
@pytest.mark.parametrize("text", ["1:75", "-3", "nan", "1:2:3:4"])
def test_a_wrong_time_is_a_usage_error(command, option, text):
    result = CliRunner().invoke(app, [*command, "--model", "m", option, text])
    assert (result.exit_code, result.stdout) == (2, "")
    last = result.stderr.splitlines()[-1]
    assert last.startswith("Error: ") and option in last
    assert f"'{text}' is no time: write seconds (65, 65.5), minutes and seconds (1:05)" in last
