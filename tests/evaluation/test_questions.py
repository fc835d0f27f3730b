# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
import csv
import json

import pytest

from transformers_mvgpt.evaluation import (
    ScoredQuestion,
    guess_answers,
    is_same_answer,
    read_questions,
    score_by_type,
)
from transformers_mvgpt.evaluation.questions import order_by_visual


def question(kind, answer, options=()):
    return ScoredQuestion("clip.mp4", kind, "What?", answer, options)


def write_lines(path, *lines):
    path.write_text("".join(line if isinstance(line, str) else json.dumps(line) + "\n" for line in lines))
    return path


TURNS = [
    {"from": "human", "value": "<video>\nWhat is it?"},
    {"from": "gpt", "value": "A circle."},
    {"from": "human", "value": "Its color?\nA. red\nB. blue\nThe letter only."},
    {"from": "gpt", "value": "B. blue"},
]
RECORD = {"video": "a/clip.mp4", "type": "order", "question": "First, x or y?", "answer": "y", "options": ["x", "y"]}


def test_questions_are_read_with_their_videos_beside_the_file(tmp_path):
    file = write_lines(tmp_path / "questions.jsonl", RECORD, "\n", {**RECORD, "answer": 3, "options": []})
    questions = read_questions(file)
    assert questions[0] == ScoredQuestion(str(tmp_path / "a/clip.mp4"), "order", "First, x or y?", "y", ("x", "y"))
    assert (questions[1].answer, questions[1].options) == ("3", ())
    assert read_questions(file, "/elsewhere")[0].video == "/elsewhere/a/clip.mp4"


def test_types_are_lines(tmp_path):
    """Whatever ends a line somewhere is a blank there; a type of blanks is none."""
    rows = [{**RECORD, "type": kind} for kind in ("a\nb", " a\u2028\tb\r\n", "\n")]
    questions = read_questions(write_lines(tmp_path / "questions.jsonl", *rows))
    assert [question.type for question in questions] == ["a b", "a b", "multiple choice"]


def test_an_empty_cell_is_no_right_answer(tmp_path):
    path = tmp_path / "questions.csv"
    path.write_text("video,question,answer\na.mp4,What?,x\nb.mp4,What?,\n")
    with pytest.raises(
        ValueError, match=r"questions\.csv.* is not a question: (the right answer is empty|no `answer`)"
    ):
        read_questions(path)


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
        ([RECORD, "{oops\n"], r"sample 1 of .*questions\.jsonl \(byte \d+\) is not JSON"),
        (
            [{"video": "x"}],
            r"sample 0 of .*questions\.jsonl is not a question: no `question`\. A row has `video` or `image`, `question`",
        ),
        (["[1, 2]\n"], r"sample 0 .*: it is of the type list, not an object"),
        (["\n"], r"questions\.jsonl holds no questions\."),
        (
            [RECORD, {**RECORD, "opions": ["x"]}],
            r"sample 1 .*: unknown key `opions`, the nearest known one is `options`: correct it, or take it out",
        ),
        ([{**RECORD, "image": "a.png"}], r"both `video` and `image`: a question is about one of them"),
        ([{**RECORD, "video": None}], r"neither `video` nor `image`: a question is about one of them"),
        (
            [{**RECORD, "video": None, "image": "../a.png"}],
            r"sample 0 .*`image` is '\.\./a\.png', which leads out of the media folder",
        ),
        ([{**RECORD, "answer": None}], r"sample 0 .*: no `answer`"),
        ([{**RECORD, "answer": [1]}], r"`answer` is '\[1\]', not a text or number"),
        ([{**RECORD, "question": " "}], r"the text of the question is empty"),
        ([RECORD, {**RECORD, "answer": " ", "options": []}], r"sample 1 .*: the right answer is empty"),
        ([{**RECORD, "answer": "", "options": ["", "x"]}], r"sample 0 .*: the right answer is empty"),
        ([{"video": "a.mp4", "conversations": [TURNS[0], {"from": "gpt", "value": " "}]}], r"sample 0 .*is empty"),
        ([{**RECORD, "answer": float("nan"), "options": []}], r"`answer` is 'nan', not a text or number"),
        (
            [RECORD, {**RECORD, "answer": "B", "options": ["cross", "circle", "Cross. "]}],
            r"sample 1 .*: the options 'cross' and 'Cross\. ' are the same answer: take out or correct one",
        ),
        (
            [{"video": "a.mp4", "question": "Which?\nA. x\nB. X", "answer": "B"}],
            r"sample 0 .*: the options 'x' and 'X' are the same answer",
        ),
        ([RECORD, {**RECORD, "type": "all\n"}], r"sample 1 .*: the type `all` is the name of all questions together"),
        (
            [{**RECORD, "options": "xy"}],
            r"`options` is 'xy', neither a list nor a text with a letter in front of each",
        ),
        (
            [{**RECORD, "answer": "z"}],
            r"`answer` is 'z', none of the 2 `options`: give the text of one, its letter, or its i",
        ),
        (
            [{**RECORD, "video": "../clip.mp4"}],
            r"sample 0 .*`video` is '\.\./clip\.mp4', which leads out of the media folder",
        ),
        (
            [{**RECORD, "video": "/clip.mp4"}],
            r"sample 0 .* or allow it with `media_anywhere` if you trust the data",
        ),
        (
            [{"video": "a.mp4", "conversations": TURNS[:1], "right_answer": "x"}],
            r"it has no turn of the assistant, so that there is nothing to learn",
        ),
        (
            [{"video": "a.mp4", "conversations": TURNS[:3]}],
            r"it does not end with a question and the assistant's turn",
        ),
        (
            [{"conversations": [{"from": "human", "value": "Who?"}, *TURNS[1:2]]}],
            r"it is about 0 videos and images: a question is about one",
        ),
    ],
)
def test_damaged_files_are_refused(tmp_path, lines, message):
    with pytest.raises(ValueError, match=message):
        read_questions(write_lines(tmp_path / "questions.jsonl", *lines))


def test_a_row_of_training_data(tmp_path):
    """The last turn of the assistant is the right answer, what stands before it is the chat."""
    file = write_lines(tmp_path / "rows.jsonl", {"id": 7, "video": "a.mp4", "conversations": TURNS})
    [question] = read_questions(file)
    assert (question.video, question.answer) == (str(tmp_path / "a.mp4"), "B")
    assert (question.type, question.choices, question.options) == ("multiple choice", ("red", "blue"), ("A", "B"))
    assert question.row == {"id": 7, "video": "a.mp4"}
    assert [message["role"] for message in question.chat] == ["user", "assistant", "user"]
    assert question.chat[0]["content"] == [{"type": "video"}, {"type": "text", "text": "What is it?"}]
    assert (
        question.chat[2]["content"][0]["text"] == question.question == "Its color?\nA. red\nB. blue\nThe letter only."
    )


def test_messages_with_an_image_among_them(tmp_path):
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "This: "}, {"type": "image", "path": "a.png"}]},
        {"role": "assistant", "content": "A thing."},
    ]
    [question] = read_questions(write_lines(tmp_path / "rows.jsonl", {"messages": messages}))
    assert (question.image, question.type, question.answer) == (str(tmp_path / "a.png"), "open", "A thing.")
    assert question.chat[1]["content"] == [{"type": "text", "text": "This: "}, {"type": "image"}]


def test_files_of_all_kinds_hold_the_same_questions(tmp_path):
    pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    parquet = pytest.importorskip("pyarrow.parquet")
    rows = [
        {"video": "a.mp4", "question": "First?", "answer": "B", "options": "A. x\nB. y", "place": "Rome"},
        {"video": "b.mp4", "question": "Second?", "answer": "0", "options": "(A) x (B) y", "place": "Oslo"},
    ]
    (tmp_path / "q.json").write_text(json.dumps(rows))
    write_lines(tmp_path / "q.jsonl", *rows)
    with open(tmp_path / "q.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "q.parquet")
    first, *others = (read_questions(tmp_path / f"q.{kind}") for kind in ("json", "jsonl", "csv", "parquet"))
    assert others == [first] * 3
    assert [(question.answer, question.options) for question in first] == [("y", ("x", "y")), ("x", ("x", "y"))]
    assert [question.type for question in first] == ["multiple choice"] * 2
    assert first[0].row == {"video": "a.mp4", "place": "Rome"}


def test_options_in_the_question_itself(tmp_path):
    """It asks for a letter already, whether the options are given once more or not; unless the answer is none of them."""
    record = {"video": "a.mp4", "question": "Which?\nA. x\nB. y", "answer": "y"}
    lines = (record, {**record, "options": ["x", "y"]}, {**record, "answer": "z"})
    once, twice, none = read_questions(write_lines(tmp_path / "q.jsonl", *lines))
    assert once == twice
    assert (once.answer, once.choices) == ("B", ("x", "y"))
    assert (none.answer, none.choices, none.type) == ("z", (), "open")


def test_questions_about_one_video_come_together():
    assert order_by_visual([ScoredQuestion(name, "kind", "What?", "") for name in "abacb"]) == [0, 2, 1, 4, 3]


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
