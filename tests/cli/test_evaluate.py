# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
import json

import pytest
from PIL import Image
from typer.testing import CliRunner

from transformers_mvgpt.cli.main import app
from transformers_mvgpt.demo import CHECKPOINT, CLIP
from transformers_mvgpt.evaluation import is_same_answer, read_questions
from transformers_mvgpt.evaluation.letters import letter_of


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


@pytest.fixture
def one_question(tmp_path):
    record = {"video": str(CLIP), "type": "count", "question": "How many shapes are there?", "answer": "No number."}
    (tmp_path / "questions.jsonl").write_text(json.dumps(record) + "\n", encoding="utf-8")
    return tmp_path / "questions.jsonl"


def test_quantized_model(one_question):
    pytest.importorskip("torchao", reason="torchao is not installed")
    result = run("evaluate", CHECKPOINT, one_question, "--media-anywhere", "--device", "cpu", "--quantization", "int8")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.splitlines()[-1].split() == ["all", "0.0%", "100.0%"]


def test_precisions_are_compared(one_question):
    pytest.importorskip("torchao", reason="torchao is not installed")
    result = run("evaluate", CHECKPOINT, one_question, "--media-anywhere", "--device", "cpu", "--compare-precisions")
    assert result.exit_code == 0, result.stderr
    head, _, *rows = [line.strip("| ").split(" | ") for line in result.stdout.splitlines()]
    assert head == ["weights", "exact answers", "answers changed", "language model"]
    assert [row[0] for row in rows] == ["float32", "bfloat16", "int8", "int4"]
    assert {row[1] for row in rows} == {"0.0%"}
    assert rows[0][2] == "0.0%"
    assert [row[3] for row in rows] == ["3.70 MB", "1.85 MB", "1.17 MB", "0.93 MB"]


def test_letters_of_options(tmp_path):
    """What is said about an image in the place of a video; the answers are kept whole, and can be read again."""
    Image.new("RGB", (40, 30), "red").save(tmp_path / "red.png")
    options = ["red", "a red thing"]
    record = {"image": "red.png", "type": "color", "question": "What is it?", "answer": "red", "options": options}
    (tmp_path / "questions.jsonl").write_text(json.dumps(record) + "\n", encoding="utf-8")
    written = ["--letters", "--device", "cpu", "--max-new-tokens", 3, "--answers", tmp_path / "answers.jsonl"]
    result = run("evaluate", CHECKPOINT, tmp_path / "questions.jsonl", *written)
    assert result.exit_code == 0, result.stderr
    kept = json.loads((tmp_path / "answers.jsonl").read_text("utf-8"))
    assert kept == {**record, "image": str(tmp_path / "red.png"), "given": kept["given"]}
    is_right = letter_of(kept["given"], options) == "A"
    assert result.stdout.splitlines()[-1].split() == ["all", "100.0%" if is_right else "0.0%", "100.0%"]
    assert [question.image for question in read_questions(tmp_path / "answers.jsonl", media_anywhere=True)] == [
        str(tmp_path / "red.png")
    ]


def test_thoughts_are_no_answers(monkeypatch, one_question, tmp_path):
    asked = []

    def answer_all(model, processor, questions, **options):
        asked.append((questions[0].question, options["template_variables"]))
        yield "<think> Two. </think><answer> No number. </answer>"

    monkeypatch.setattr("transformers_mvgpt.evaluation.answer_questions", answer_all)
    result = run("evaluate", CHECKPOINT, one_question, "--media-anywhere", "--device", "cpu", "--think")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.splitlines()[-1].split() == ["all", "100.0%", "100.0%"]
    assert asked == [("How many shapes are there?", {"think": True})]
    record = {**json.loads(one_question.read_text("utf-8")), "options": ["Two", "No number."]}
    one_question.write_text(json.dumps(record))
    result = run("evaluate", CHECKPOINT, one_question, "--media-anywhere", "--device", "cpu", "--think", "--letters")
    assert result.stdout.splitlines()[-1].split() == ["all", "100.0%", "100.0%"]
    assert asked[1:] == [("How many shapes are there?\nA. Two\nB. No number.", {"think": True})]


def test_bad_precisions(one_question):
    result = run("evaluate", CHECKPOINT, one_question, "--quantization", "int2")
    assert result.exit_code == 1
    assert result.stderr == "Error: `quantization` (int2) must be int8 or int4.\n"
    result = run("evaluate", CHECKPOINT, one_question, "--quantization", "int8", "--compare-precisions")
    assert result.exit_code == 1
    assert "goes with neither --shuffle-frames, --quantization nor --answers, and neither with --l" in result.stderr


def test_results_are_not_replaced_unasked(questions, tmp_path):
    answers = tmp_path / "answers.jsonl"
    answers.write_text("mine")
    result = run("evaluate", CHECKPOINT, questions, "--answers", answers)
    assert result.exit_code == 1
    message = "is there already: choose another file, or let it be replaced (`--overwrite`).\n"
    assert result.stderr == f"Error: {answers} {message}"
    assert answers.read_text() == "mine"
    result = run("evaluate", CHECKPOINT, questions, "--answers", tmp_path / "none" / "answers.jsonl")
    assert result.stderr == f"Error: There is no folder {tmp_path / 'none'} for answers.jsonl: make it first.\n"
    before = questions.read_text()
    options = ["--num-questions", 9, "--first-seed", 600]
    result = run("draw-clips", questions.parent, *options)
    assert (result.exit_code, result.stderr) == (1, f"Error: {questions} {message}")
    assert questions.read_text() == before


def test_results_are_replaced_on_request(one_question, tmp_path):
    answers = tmp_path / "answers.jsonl"
    answers.write_text("mine")
    options = ["--device", "cpu", "--max-new-tokens", 2, "--media-anywhere", "--answers", answers, "--overwrite"]
    assert run("evaluate", CHECKPOINT, one_question, *options).exit_code == 0
    assert json.loads(answers.read_text())["type"] == "count"
    options = ["--num-questions", 1, "--width", 64, "--height", 64, "--fps", 20, "--seconds", 4, "--overwrite"]
    assert run("draw-clips", tmp_path, *options).exit_code == 0
    assert len((tmp_path / "questions.jsonl").read_text().splitlines()) == 1


def test_missing_questions(tmp_path):
    result = run("evaluate", CHECKPOINT, tmp_path / "none.jsonl")
    assert result.exit_code == 1
    assert "none.jsonl" in result.stderr


def test_clips_that_cannot_be_drawn(tmp_path):
    result = run("draw-clips", tmp_path, "--fps", 5, "--seconds", 2)
    assert result.exit_code == 1
    assert "makes 10 frames: at least 61 are needed" in result.stderr
