# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
import json

import pytest
from typer.testing import CliRunner

from transformers_mvgpt.cli.main import app
from transformers_mvgpt.demo import CHECKPOINT
from transformers_mvgpt.evaluation import is_same_answer


def run(*arguments):
    return CliRunner().invoke(app, list(map(str, arguments)))


@pytest.fixture(scope="module")
def questions(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    options = ["--num-questions", 9, "--first-seed", 500, "--width", 160, "--height", 96, "--fps", 20, "--seconds", 4]
    result = run("draw-clips", folder, *options)
    assert result.exit_code == 0, result.stderr
    assert result.stdout == f"Wrote {folder / 'questions.jsonl'}\n"
    return folder / "questions.jsonl"


def test_scores_are_those_of_the_answers(questions, tmp_path):
    options = ["--device", "cpu", "--max-new-tokens", 6, "--answers", tmp_path / "answers.jsonl"]
    result = run("evaluate", CHECKPOINT, questions, *options)
    assert result.exit_code == 0, result.stderr
    answers = [json.loads(line) for line in (tmp_path / "answers.jsonl").read_text("utf-8").splitlines()]
    assert len(answers) == 9
    share = sum(is_same_answer(record["given"], record["answer"]) for record in answers) / 9
    assert share > 0
    assert result.stdout.splitlines()[0].split() == ["type", "exact", "guesser"]
    assert result.stdout.splitlines()[-1].split()[:2] == ["all", f"{share:.1%}"]


def test_missing_questions(tmp_path):
    result = run("evaluate", CHECKPOINT, tmp_path / "none.jsonl")
    assert result.exit_code == 1
    assert "none.jsonl" in result.stderr


def test_clips_that_cannot_be_drawn(tmp_path):
    result = run("draw-clips", tmp_path, "--fps", 5, "--seconds", 2)
    assert result.exit_code == 1
    assert "makes 10 frames: at least 61 are needed" in result.stderr
