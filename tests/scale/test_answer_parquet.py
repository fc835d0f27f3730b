# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Answers in Parquet files, told by the keys of `mvgpt caption`."""

import pytest

from transformers_mvgpt.evaluation.answer_lines import to_line
from transformers_mvgpt.evaluation.answer_parquet import parquet_rows, write_parquet
from transformers_mvgpt.scale.row_records import row_key


ROWS = [
    {"video": "a.mp4", "id": 1, "mixed": 1, "meta": {}, "list": [1, 2], "answer": "x"},
    {"video": "b.mp4", "id": 2.5, "mixed": "one", "meta": {"k": [None]}, "list": [], "error": "y"},
    {
        "video": "c.mp4",
        "nothing": None,
        "big": 2**70,
        "answer": "z",
        "selected_frames": [{"index": 1, "score": 0.5}],
    },
]


def test_there_and_back(tmp_path):
    pytest.importorskip("pyarrow")
    from pyarrow import parquet

    path = tmp_path / "rows.jsonl"
    path.write_bytes(b"".join(map(to_line, ROWS * 700)))  # some row groups
    write_parquet(path, tmp_path / "rows.parquet")
    table = parquet.read_table(tmp_path / "rows.parquet").to_pylist()
    assert len(table) == 2100
    assert [row["video"] for row in table[:3]] == ["a.mp4", "b.mp4", "c.mp4"]
    assert [row["answer"] for row in table[:3]] == ["x", None, "z"]
    assert [row["error"] for row in table[:3]] == [None, "y", None]
    assert [row["id"] for row in table[:3]] == [1.0, 2.5, None]
    assert [row["mixed"] for row in table[:3]] == ["1", '"one"', None]
    assert table[2]["selected_frames"] == [{"index": 1, "score": 0.5}]
    again = list(parquet_rows(tmp_path / "rows.parquet"))
    assert list(map(row_key, again)) == list(map(row_key, ROWS * 700))
    assert again[2] == {name: value for name, value in ROWS[2].items() if value is not None}


def test_texts_that_are_no_unicode(tmp_path):
    """Names of files may be any bytes."""
    pytest.importorskip("pyarrow")
    rows = [{"video": "a\udcff.mp4", "options": ["\ud800"], "answer": "é"}, {"video": "b.mp4", "answer": "x"}]
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b"".join(map(to_line, rows)))
    write_parquet(path, tmp_path / "rows.parquet")
    again = list(parquet_rows(tmp_path / "rows.parquet"))
    assert again == [{"video": r"a\udcff.mp4", "options": [r"\ud800"], "answer": "é"}, rows[1]]
    # so that they are not answered again
    assert list(map(row_key, again)) == list(map(row_key, rows))
