# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Samples that are read while the model answers, with a pipeline that only counts."""

import subprocess
import sys
from pathlib import Path

import pytest

from transformers_mvgpt.scale.answers_in_turn import answer_in_turn


class Pipe:
    _preprocess_params: dict = {}
    _forward_params: dict = {}
    _postprocess_params: dict = {}

    def _refuse_unknown(self, options):
        pass

    def _sanitize_parameters(self, **options):
        return {}, {}, {}

    def preprocess(self, sample):
        if sample == "bad":
            raise RuntimeError("a bug")
        return sample

    def forward(self, prepared):
        return prepared

    def postprocess(self, answer):
        return [{"generated_text": answer}]


def test_records_come_in_turn():
    assert list(answer_in_turn(Pipe(), "abc")) == [{"generated_text": letter} for letter in "abc"]
    assert list(answer_in_turn(Pipe(), [])) == []
    records = answer_in_turn(Pipe(), ["a", "b", "bad"])
    assert [next(records)["generated_text"], next(records)["generated_text"]] == ["a", "b"]
    with pytest.raises(RuntimeError, match="a bug"):
        next(records)


def test_a_slow_video_does_not_hold_up_the_end_of_the_process():
    """As after Ctrl-C, while the next one is downloaded."""
    script = """
import time
from test_answers_in_turn import Pipe, answer_in_turn

class Slow(Pipe):
    def preprocess(self, sample):
        time.sleep(600 if sample == "slow" else 0)
        return sample

records = answer_in_turn(Slow(), ["quick", "slow"])
print(next(records))
raise KeyboardInterrupt
"""
    result = subprocess.run(
        [sys.executable, "-c", script], cwd=Path(__file__).parent, capture_output=True, text=True, timeout=300
    )
    assert result.stdout == "{'generated_text': 'quick'}\n"
    assert "KeyboardInterrupt" in result.stderr
