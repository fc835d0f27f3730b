# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
import json
import re
import subprocess
import sys
import time

import pytest
from huggingface_hub import ModelCard
from PIL import Image
from typer.testing import CliRunner

from transformers_mvgpt.cli.main import app
from transformers_mvgpt.demo import CHECKPOINT, CLIP
from transformers_mvgpt.evaluation import is_same_answer, read_questions
from transformers_mvgpt.evaluation.letters import letter_of
from transformers_mvgpt.evaluation.quality import GivenAnswer


COMMAND = [sys.executable, "-m", "transformers_mvgpt.cli"]


def run(*arguments):
    return CliRunner().invoke(app, list(map(str, arguments)))


def cells(result):
    """Of the line of all questions: its name, their number, the share of exact answers, that of the guesser."""
    line = re.sub(r"\[.*?\]", "", next(line for line in result.stdout.splitlines() if line.startswith("all "))).split()
    return [*line[:3], line[-1]]


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
    share = sum(is_same_answer(record["answer"], record["right_answer"]) for record in answers) / 9
    assert share > 0
    assert all({"index", "seconds", "score"} < record["selected_frames"][0].keys() for record in answers)
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["type", "questions", "exact", "F1", "contains", "guesser"]
    assert lines[-2].split()[:3] == ["all", "9", f"{share:.1%}"]
    assert lines[-1] == "9 questions about 3 videos or images; in brackets, intervals at 95%."


@pytest.fixture
def one_question(tmp_path):
    record = {"video": str(CLIP), "type": "count", "question": "How many shapes are there?", "answer": "No number."}
    (tmp_path / "questions.jsonl").write_text(json.dumps(record) + "\n", encoding="utf-8")
    return tmp_path / "questions.jsonl"


def test_quantized_model(one_question):
    pytest.importorskip("numba", reason="numba is not installed")
    result = run("evaluate", CHECKPOINT, one_question, "--media-anywhere", "--device", "cpu", "--quantization", "int8")
    assert result.exit_code == 0, result.stderr
    assert cells(result) == ["all", "1", "0.0%", "100.0%"]


def test_precisions_are_compared(one_question):
    pytest.importorskip("numba", reason="numba is not installed")
    result = run("evaluate", CHECKPOINT, one_question, "--media-anywhere", "--device", "cpu", "--compare-precisions")
    assert result.exit_code == 0, result.stderr
    head, _, *rows = [line.strip("| ").split(" | ") for line in result.stdout.splitlines()]
    assert head == ["weights", "exact answers", "answers changed", "language model"]
    assert [row[0] for row in rows] == ["float32", "bfloat16", "int8", "int4"]
    assert {row[1] for row in rows} == {"0.0%"}
    assert rows[0][2] == "0.0%"
    assert [row[3] for row in rows] == ["3.70 MB", "1.85 MB", "0.99 MB", "0.62 MB"]


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
    assert {name: kept[name] for name in ("image", "type", "question", "options")} == {
        name: record[name] for name in ("image", "type", "question", "options")
    }
    assert kept["right_answer"] == "red"
    is_right = letter_of(kept["answer"], options) == "A"
    assert kept["exact"] == is_right
    assert cells(result) == ["all", "1", "100.0%" if is_right else "0.0%", "100.0%"]
    [question] = read_questions(tmp_path / "answers.jsonl")
    assert question == read_questions(tmp_path / "questions.jsonl")[0]


def test_thoughts_are_no_answers(monkeypatch, one_question, tmp_path):
    asked = []

    def answer_all(model, processor, questions, **options):
        asked.append((questions[0].question, options["template_variables"]))
        yield GivenAnswer("<think> Two. </think><answer> No number. </answer>")

    monkeypatch.setattr("transformers_mvgpt.evaluation.own_data.give_answers", answer_all)
    result = run("evaluate", CHECKPOINT, one_question, "--media-anywhere", "--device", "cpu", "--think")
    assert result.exit_code == 0, result.stderr
    assert cells(result) == ["all", "1", "100.0%", "100.0%"]
    assert asked == [("How many shapes are there?", {"think": True})]
    record = {**json.loads(one_question.read_text("utf-8")), "options": ["Two", "No number."]}
    one_question.write_text(json.dumps(record))
    result = run("evaluate", CHECKPOINT, one_question, "--media-anywhere", "--device", "cpu", "--think", "--letters")
    assert cells(result) == ["all", "1", "100.0%", "100.0%"]
    assert asked[1:] == [("How many shapes are there?\nA. Two\nB. No number.", {"think": True})]


def test_bad_precisions(one_question):
    result = run("evaluate", CHECKPOINT, one_question, "--quantization", "int2")
    assert result.exit_code == 1
    assert result.stderr == "Error: `quantization` (int2) must be int8 or int4.\n"
    result = run("evaluate", CHECKPOINT, one_question, "--quantization", "int8", "--compare-precisions")
    assert result.exit_code == 1
    assert "goes with none of --shuffle-frames, --quantization, --answers, --letters, --think" in result.stderr


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


def test_a_model_in_the_place_of_questions(one_question):
    result = run("evaluate", one_question, CHECKPOINT)
    assert result.exit_code == 1
    assert result.stderr == (
        f"Error: {CHECKPOINT} is the folder of a model, and not of questions: `mvgpt evaluate MODEL QUESTIONS`.\n"
    )


def test_questions_are_not_written_over(one_question):
    before = one_question.read_text()
    for option in ("--answers", "--model-index"):
        result = run("evaluate", CHECKPOINT, one_question, option, one_question, "--overwrite")
        assert result.stderr == f"Error: {one_question} holds the questions: choose another file to write to.\n"
    assert one_question.read_text() == before


def test_answers_about_another_folder_are_not_mixed_in(one_question, tmp_path):
    options = ["--device", "cpu", "--max-new-tokens", 2, "--media-anywhere", "--answers", tmp_path / "answers.jsonl"]
    assert run("evaluate", CHECKPOINT, one_question, *options).exit_code == 0
    (tmp_path / "other").mkdir()
    other = one_question.rename(tmp_path / "other" / "questions.jsonl")
    result = run("evaluate", CHECKPOINT, other, *options)
    assert result.exit_code == 1
    assert result.stderr.endswith(
        f"has answers with relative_to '{tmp_path}', and this run has '{tmp_path / 'other'}': choose another file, or let it be "
        "replaced (`--overwrite`).\n"
    )
    assert run("evaluate", CHECKPOINT, other, *options, "--media-folder", tmp_path).exit_code == 0
    assert len((tmp_path / "answers.jsonl").read_text("utf-8").splitlines()) == 1


def test_results_are_replaced_on_request(one_question, tmp_path):
    answers = tmp_path / "answers.jsonl"
    answers.write_text("mine")
    options = ["--device", "cpu", "--max-new-tokens", 2, "--media-anywhere", "--answers", answers, "--overwrite"]
    assert run("evaluate", CHECKPOINT, one_question, *options).exit_code == 0
    assert json.loads(answers.read_text())["type"] == "count"
    options = ["--num-questions", 1, "--width", 64, "--height", 64, "--fps", 20, "--seconds", 4, "--overwrite"]
    assert run("draw-clips", tmp_path, *options).exit_code == 0
    assert len((tmp_path / "questions.jsonl").read_text().splitlines()) == 1


@pytest.fixture
def with_a_damaged_video(questions):
    """A file beside the other one: all its questions, and one about a file that is no video."""
    (questions.parent / "damaged.mp4").write_bytes(b"no video")
    bad = {"video": "damaged.mp4", "type": "count", "question": "How many?", "answer": "one"}
    file = questions.with_name("with_damaged.jsonl")
    file.write_text(json.dumps(bad) + "\n" + questions.read_text("utf-8"), "utf-8")
    return file


def test_a_damaged_video_is_counted_apart_and_as_wrong(with_a_damaged_video, questions, tmp_path):
    options = ["--device", "cpu", "--max-new-tokens", 6]
    alone = run("evaluate", CHECKPOINT, questions, *options, "--json")
    assert alone.exit_code == 0, alone.stderr
    right = round(9 * json.loads(alone.stdout)["all"]["metrics"]["exact"]["value"])
    answers = tmp_path / "answers.jsonl"
    result = run("evaluate", CHECKPOINT, with_a_damaged_video, *options, "--answers", answers)
    assert result.exit_code == 3, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0].split()[-1] == "unread"
    assert lines[-3].split()[:3] == ["all", "10", f"{right / 10:.1%}"]
    assert lines[-3].split()[-1] == "1"
    assert lines[-1] == (
        "1 question has no answer, since it or its video could not be read, and counts as answered wrongly. Of the 9 others, "
        f"{right / 9:.1%} are answered exactly."
    )
    [bad] = [json.loads(line) for line in answers.read_text("utf-8").splitlines() if "damaged.mp4" in line]
    assert "answer" not in bad
    assert re.match(r"The video '.*damaged\.mp4' could not be read", bad["error"])
    assert bad["exact"] == 0


def test_scores_for_a_card(questions, tmp_path, monkeypatch):
    monkeypatch.chdir(CHECKPOINT)
    card = tmp_path / "README.md"
    card.write_text("---\nlicense: mit\n---\n\n# Mine\n", "utf-8")
    options = [
        "--device",
        "cpu",
        "--max-new-tokens",
        6,
        "--model-index",
        card,
        "--dataset-name",
        "Drawn clips",
        "--json",
    ]
    result = run("evaluate", ".", questions, *options)
    assert result.exit_code == 0, result.stderr
    data = ModelCard.load(card).data
    assert (data.license, data.model_name) == ("mit", "checkpoint")
    of_all = next(one for one in data.eval_results if one.metric_name == "exact answers: all")
    assert (of_all.task_type, of_all.dataset_name, of_all.dataset_type) == (
        "video-text-to-text",
        "Drawn clips",
        "Drawn-clips",
    )
    assert of_all.metric_value == round(json.loads(result.stdout)["all"]["metrics"]["exact"]["value"], 4)
    assert "# Mine" in card.read_text("utf-8")


def test_a_judge_that_is_none_is_named_before_the_model_is_loaded(one_question):
    result = run("evaluate", "no/model", one_question, "--media-anywhere", "--judge", "math:1+1")
    assert result.exit_code == 1
    assert result.stderr == "Error: `--judge math:1+1` must be MODULE:FUNCTION, or FILE.py:FUNCTION.\n"


@pytest.mark.slow
def test_a_run_that_is_killed_goes_on(tmp_path):
    """For real: the process is killed after a few answers, and the same command gives what an undisturbed run does."""
    subprocess.run([*COMMAND, "draw-clips", tmp_path, "--num-questions", "40"], check=True, capture_output=True)
    command = [*COMMAND, "evaluate", CHECKPOINT, tmp_path / "questions.jsonl", "--device", "cpu", "--answers"]
    undisturbed = subprocess.run([*command, tmp_path / "whole.jsonl"], check=True, capture_output=True, text=True)
    answers = tmp_path / "answers.jsonl"
    for number in (5, 20):
        process = subprocess.Popen([*command, answers], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while process.poll() is None and (not answers.exists() or answers.read_bytes().count(b"\n") < number):
            time.sleep(0.01)
        process.kill()
        assert process.wait() == -9
    again = subprocess.run([*command, answers], check=True, capture_output=True, text=True)
    assert again.stdout == undisturbed.stdout
    assert answers.read_bytes() == (tmp_path / "whole.jsonl").read_bytes()


def test_missing_questions(tmp_path):
    result = run("evaluate", CHECKPOINT, tmp_path / "none.jsonl")
    assert result.exit_code == 1
    assert "none.jsonl" in result.stderr


def test_clips_that_cannot_be_drawn(tmp_path):
    result = run("draw-clips", tmp_path, "--fps", 5, "--seconds", 2)
    assert result.exit_code == 1
    assert "makes 10 frames: at least 61 are needed" in result.stderr


def test_a_mistyped_model_is_no_repository_of_the_hub(one_question, tmp_path):
    result = run("evaluate", tmp_path / "none", one_question, "--media-anywhere")
    assert result.exit_code == 1
    assert re.match(r"Error: There is no model folder '.*none'", result.stderr)
