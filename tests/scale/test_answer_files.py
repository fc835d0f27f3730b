# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
import random
from array import array

import numpy as np
import pytest

from transformers_mvgpt.evaluation.answer_lines import read_rows, to_line
from transformers_mvgpt.scale.answer_files import is_in_order, merge_lines
from transformers_mvgpt.scale.row_records import plain, row_key, to_column


def write(path, rows):
    path.write_bytes(b"".join(map(to_line, rows)))
    return path


def rows_in(path):
    return [row for _, _, row in read_rows(path)]


class TestKeys:
    def test_what_was_added_does_not_count(self):
        row = {"video": "a.mp4", "question": "A?", "id": 1}
        for added in ({"answer": "x"}, {"error": "x"}, {"answer": "x", "selected_frames": [1]}, {"note": None}):
            assert row_key({**row, **added}) == row_key(row)
        assert row_key(dict(reversed(row.items()))) == row_key(row)
        # as a Parquet file may have it
        assert row_key({**row, "id": 1.0, "nested": None}) == row_key(row)
        assert (
            len({row_key({**row, **other}) for other in ({}, {"id": 2}, {"id": "1"}, {"question": "B?"}, {"x": 0})})
            == 5
        )

    def test_plain_values(self):
        assert plain({"a": (1, np.float32(0.5)), 2: float("inf")}) == {"a": [1, 0.5], "2": None}
        for value in (b"bytes", object(), [b"x"]):
            with pytest.raises(TypeError):
                plain(value)
        assert to_column([[1], [2]]).tolist() == [[1], [2]]


class TestOrder:
    def test_lines_of_several_files_come_into_the_order_of_the_input(self, tmp_path):
        generator = random.Random(0)
        asked = [{"video": f"{generator.randrange(30)}.mp4"} for _ in range(100)]
        keys = array("Q", map(row_key, asked))
        answered = [{**row, "answer": str(number)} for number, row in enumerate(asked)]
        stray = {"video": "gone.mp4", "answer": "x"}
        shuffled = [stray, *answered]
        generator.shuffle(shuffled)
        paths = [write(tmp_path / f"{number}.jsonl", shuffled[number::3]) for number in range(3)]
        merge_lines(paths, tmp_path / "all.jsonl", keys)
        merged = rows_in(tmp_path / "all.jsonl")
        assert [row["video"] for row in merged] == [*(row["video"] for row in asked), "gone.mp4"]
        assert sorted(row["answer"] for row in merged) == sorted(row["answer"] for row in shuffled)
        assert is_in_order(tmp_path / "all.jsonl", keys)
        assert not is_in_order(paths[0], keys)
        assert is_in_order(write(tmp_path / "some.jsonl", merged[:50]), keys)
        merge_lines(paths, tmp_path / "joined.jsonl")
        assert rows_in(tmp_path / "joined.jsonl") == [row for path in paths for row in rows_in(path)]

    def test_no_lines(self, tmp_path):
        merge_lines([write(tmp_path / "a.jsonl", [])], tmp_path / "all.jsonl", array("Q", [1]))
        assert is_in_order(tmp_path / "all.jsonl", array("Q"))
