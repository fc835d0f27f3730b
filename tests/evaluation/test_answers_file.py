# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
import json

import pytest

from transformers_mvgpt.evaluation.answers_file import AnswersFile, superseded, take_answered


RUN = {"model": "small", "max_new_tokens": 8}


def rows_of(path):
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_rows_are_there_as_they_come_and_a_run_goes_on(tmp_path):
    path = tmp_path / "answers.jsonl"
    file = AnswersFile(path, RUN)
    assert file.rows == []
    file.append({"key": "1", "answer": "é"})
    assert rows_of(path) == [{"key": "1", "answer": "é", "run": RUN}]
    # what is left of a row that was being written
    with open(path, "a") as torn:
        torn.write('{"key": "2", "ans')
    again = AnswersFile(path, RUN)
    assert [row["key"] for row in again.rows] == ["1"]
    with again.claimed():
        again.append({"key": "2"})
        again.finish()
    assert [row["key"] for row in rows_of(path)] == ["1", "2"]


def test_two_runs_do_not_write_to_one_file(tmp_path):
    path = tmp_path / "answers.jsonl"
    one, other = AnswersFile(path, RUN), AnswersFile(path, RUN)
    with one.claimed():
        one.append({"key": "1"})
        with pytest.raises(
            FileExistsError, match=r"Another run writes to .*answers\.jsonl: wait for its end, or choose"
        ):
            other.claimed().__enter__()
    # what has come since it looked first is not lost
    with other.claimed():
        assert [row["key"] for row in other.rows] == ["1"]
        other.append({"key": "2"})
    assert [row["key"] for row in rows_of(path)] == ["1", "2"]
    assert [file.name for file in tmp_path.iterdir()] == ["answers.jsonl"]


@pytest.mark.parametrize(
    "content",
    ["mine", '{"mine": 1}', '{"mine": 1}\n', '[{"key": 1}]\n', '{"key": "1", "run": 2}\n', "[" * 100_000 + "\n"],
    ids=lambda content: content[:8],
)
def test_files_of_others_are_left_alone(tmp_path, content):
    path = tmp_path / "answers.jsonl"
    path.write_text(content)
    with pytest.raises(FileExistsError, match="is there already: choose another file, or let it be replaced"):
        AnswersFile(path, RUN)
    assert path.read_text() == content
    file = AnswersFile(path, RUN, overwrite=True)
    # nothing is there yet to replace it with
    assert path.read_text() == content
    file.append({"key": "1"})
    file.append({"key": "2"})
    assert [row["key"] for row in rows_of(path)] == ["1", "2"]


@pytest.mark.parametrize(("place", "line"), [(0, "\n"), (1, "\n"), (2, '{"key": "\n'), (2, "[" * 100_000 + "\n")])
def test_a_damaged_line_is_named(tmp_path, place, line):
    path = tmp_path / "answers.jsonl"
    file = AnswersFile(path, RUN)
    file.append({"key": "1"})
    file.append({"key": "2"})
    lines = path.read_text("utf-8").splitlines(keepends=True)
    path.write_text("".join([*lines[:place], line, *lines[place:]]))
    with pytest.raises(ValueError, match=rf"Line {place + 1} of .*answers\.jsonl is damaged \(.*\): take it out, and"):
        AnswersFile(path, RUN)


def test_runs_with_other_settings_do_not_mix(tmp_path):
    path = tmp_path / "answers.jsonl"
    AnswersFile(path, RUN).append({"key": "1"})
    with pytest.raises(
        FileExistsError, match=r"has answers with model 'small', and this run has 'large': choose another"
    ):
        AnswersFile(path, {**RUN, "model": "large"})
    with pytest.raises(FileExistsError, match=r"has answers with letters None, and this run has True"):
        AnswersFile(path, {**RUN, "letters": True})


def test_parquet_is_made_when_all_rows_are_there(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    path = tmp_path / "answers.parquet"
    file = AnswersFile(path, RUN)
    file.append({"key": "1", "answer": "x", "selected_frames": [{"index": 1, "seconds": None}]})
    assert not path.exists()
    again = AnswersFile(path, RUN)
    assert [row["key"] for row in again.rows] == ["1"]
    with again.claimed():
        again.append({"key": "2", "error": "gone"})
        again.finish()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["answers.parquet"]
    first, second = parquet.read_table(path).to_pylist()
    assert (first["answer"], first["error"], first["selected_frames"]) == ("x", None, [{"index": 1, "seconds": None}])
    assert (second["answer"], second["error"], second["run"]) == (None, "gone", RUN)
    # a finished file goes on, too
    more = AnswersFile(path, RUN)
    assert [(row["key"], "error" in row) for row in more.rows] == [("1", False), ("2", True)]
    with more.claimed():
        more.append({"key": "3"})
        more.finish()
    assert parquet.read_table(path).column("key").to_pylist() == ["1", "2", "3"]


def test_texts_that_are_no_unicode(tmp_path):
    """Names of files may be any bytes, and texts of others may hold half a pair."""
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    row = {"key": "1", "video": "a\udcff.mp4", "options": ["\ud800"], "answer": "é"}
    lines, table = AnswersFile(tmp_path / "a.jsonl", RUN), AnswersFile(tmp_path / "a.parquet", RUN)
    for file in (lines, table):
        file.append(row)
        file.finish()
    assert AnswersFile(tmp_path / "a.jsonl", RUN).rows == [row]
    [read] = parquet.read_table(tmp_path / "a.parquet").to_pylist()
    assert (read["video"], read["options"], read["answer"]) == (r"a\udcff.mp4", [r"\ud800"], "é")


@pytest.mark.parametrize("value", [3, 1 << 80])
def test_values_of_two_types_in_one_column(tmp_path, value):
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    path = tmp_path / "answers.parquet"
    file = AnswersFile(path, RUN)
    file.append({"key": "1", "place": "Rome"})
    file.append({"key": "2", "place": value})
    file.finish()
    assert parquet.read_table(path).column("place").to_pylist() == ['"Rome"', str(value)]
    assert [row["place"] for row in AnswersFile(path, RUN).rows] == ["Rome", value]


def test_names_and_folders(tmp_path):
    with pytest.raises(ValueError, match=r"answers\.txt`: the name must end in \.jsonl or \.parquet"):
        AnswersFile(tmp_path / "answers.txt", RUN)
    with pytest.raises(FileNotFoundError, match="There is no folder .*none for a.jsonl: make it first"):
        AnswersFile(tmp_path / "none" / "a.jsonl", RUN)


def test_a_question_that_is_asked_twice_is_answered_twice():
    rows = [{"key": "a", "n": 1}, {"key": "b", "n": 2}, {"key": "a", "n": 3}]
    assert take_answered(rows, ["a", "c", "a", "a", "b"]) == [rows[0], None, rows[2], None, rows[1]]


def test_rows_of_corrected_questions_are_replaced(tmp_path):
    """A key's first 16 characters tell what was asked, the others what the score depends on."""
    same, other = "a" * 16, "b" * 16
    path = tmp_path / "answers.jsonl"
    file = AnswersFile(path, RUN)
    for key in (f"{same}1", f"{same}2", f"{other}1"):
        file.append({"key": key})
    with file.claimed():
        keys = [f"{same}3", f"{same}1"]
        old = superseded(file.rows, keys, take_answered(file.rows, keys))
        assert [row["key"] for row in old] == [f"{same}2"]
        file.drop(old)
    assert rows_of(path) == [{"key": f"{same}1", "run": RUN}, {"key": f"{other}1", "run": RUN}]
    # what is not asked now is not touched
    assert superseded(file.rows, [f"{same}1"], [file.rows[0]]) == []
