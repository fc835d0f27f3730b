# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
import re

from typer.testing import CliRunner

from transformers_mvgpt.cli.main import app


def test_demo_shows_the_whole_way_and_says_that_it_is_noise():
    result = CliRunner().invoke(app, ["demo"])
    assert result.exit_code == 0, result.stderr
    assert "Question:  What is moving?" in result.stdout
    assert re.search(r"Answer:    '.+'", result.stdout)
    seconds = [float(time) for time in re.findall(r"frame +\d+ +([\d.]+) s", result.stdout)]
    assert len(seconds) == 8
    assert seconds == sorted(seconds)
    assert 0 <= seconds[0] < seconds[-1] < 4
    assert "never trained: its answer is noise" in result.stdout
