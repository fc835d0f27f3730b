# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
import json

import pytest

from transformers_mvgpt.evaluation import (
    ScoredQuestion,
    guess_answers,
    is_same_answer,
    read_questions,
    score_by_type,
)


def question(kind, answer, options=()):
    return ScoredQuestion("clip.mp4", kind, "What?", answer, options)


def write_lines(path, *lines):
    path.write_text("".join(line if isinstance(line, str) else json.dumps(line) + "\n" for line in lines))
    return path


RECORD = {"video": "a/clip.mp4", "type": "order", "question": "First, x or y?", "answer": "y", "options": ["x", "y"]}


def test_questions_are_read_with_their_videos_beside_the_file(tmp_path):
    file = write_lines(tmp_path / "questions.jsonl", RECORD, "\n", {**RECORD, "answer": 3, "options": []})
    questions = read_questions(file)
    assert questions[0] == ScoredQuestion(str(tmp_path / "a/clip.mp4"), "order", "First, x or y?", "y", ("x", "y"))
    assert (questions[1].answer, questions[1].options) == ("3", ())
    assert read_questions(file, "/elsewhere")[0].video == "/elsewhere/a/clip.mp4"


def test_questions_about_images(tmp_path):
    record = {key: value for key, value in RECORD.items() if key != "video"}
    file = write_lines(tmp_path / "questions.jsonl", RECORD, {**record, "image": "a.png"})
    video, image = read_questions(file)
    assert (video.modality, video.image) == ("video", None)
    assert (image.modality, image.video, image.image) == ("image", None, str(tmp_path / "a.png"))


def test_videos_outside_of_the_folder_on_request(tmp_path):
    file = write_lines(tmp_path / "questions.jsonl", {**RECORD, "video": "/elsewhere/clip.mp4", "given": "x", "id": 1})
    assert read_questions(file, media_anywhere=True)[0].video == "/elsewhere/clip.mp4"


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (
            [RECORD, "{oops\n"],
            r"questions\.jsonl, line 2: not a question \(JSONDecodeError: .*A line is a JSON object",
        ),
        ([{"video": "x"}], r"line 1: not a question \(KeyError: 'type'\)\. A line is a JSON object with `video`"),
        (["[1, 2]\n"], r"line 1: not a question \(TypeError"),
        (["\n"], r"questions\.jsonl holds no questions\."),
        ([RECORD, {**RECORD, "opions": ["x"]}], r"line 2: not a question \(ValueError: unknown key `opions`\)"),
        ([{**RECORD, "image": "a.png"}], r"line 1: not a question \(ValueError: both `video` and `image`\)"),
        (
            [{**RECORD, "video": None, "image": "../a.png"}],
            r"line 1: .*`image` is '\.\./a\.png', which leads out of the media folder",
        ),
        (
            [{**RECORD, "answer": None}],
            r"line 1: not a question \(ValueError: `answer` is 'None', not a text or number\)",
        ),
        ([{**RECORD, "options": "xy"}], r"line 1: not a question \(ValueError: `options` is 'xy', not a list\)"),
        (
            [{**RECORD, "video": "../clip.mp4"}],
            r"line 1: .*`video` is '\.\./clip\.mp4', which leads out of the media folder",
        ),
        (
            [{**RECORD, "video": "/clip.mp4"}],
            r"line 1: .* or allow it with `media_anywhere=true` if you trust the data",
        ),
    ],
)
def test_damaged_files_are_refused(tmp_path, lines, message):
    with pytest.raises(ValueError, match=message):
        read_questions(write_lines(tmp_path / "questions.jsonl", *lines))


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="questions.jsonl"):
        read_questions(tmp_path / "questions.jsonl")


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("red", "Red. ", True),
        ("a red cross", "a red cross", True),
        ("red", "a red cross", False),
        ("red", "", False),
        ("1.5", "15", False),
    ],
)
def test_exact_answers(one, other, is_same):
    assert is_same_answer(one, other) is is_same


def test_scores_by_type():
    questions = [question("colour", "red"), question("colour", "blue"), question("count", "two")]
    assert score_by_type(questions, ["red", "green", "Two."]) == {"colour": 0.5, "count": 1.0, "all": 2 / 3}
    with pytest.raises(ValueError, match=r"There are 1 answers to 3 questions\."):
        score_by_type(questions, ["red"])


def test_guesser_takes_the_most_frequent_answer():
    questions = [question("colour", answer) for answer in ("red", "blue", "red")] + [question("count", "two")]
    assert guess_answers(questions) == ["red", "red", "red", "two"]


def test_guesser_takes_the_better_place_among_options():
    """The answers differ, but the first option is right in two of three."""
    rows = (("a", ("a", "b")), ("c", ("c", "d")), ("f", ("e", "f")))
    questions = [question("order", answer, options) for answer, options in rows]
    assert guess_answers(questions) == ["a", "c", "e"]
