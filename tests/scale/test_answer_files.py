# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
import errno
import json
import os
import random
import re
from array import array

import numpy as np
import pytest

from transformers_mvgpt.scale.answer_files import LineWriter, is_in_order, mend, merge_lines, read_rows
from transformers_mvgpt.scale.answer_parquet import read_parquet, write_parquet
from transformers_mvgpt.scale.row_records import plain, row_key, to_column, to_line


def write(path, rows):
    path.write_bytes(b"".join(map(to_line, rows)))
    return path


def rows_in(path):
    return [row for _, _, row in read_rows(path)]


class TestLines:
    def test_rows_are_readable_lines(self, tmp_path):
        rows = [
            {"video": "日本 \u2028\x85.mp4", "answer": "a\nb\x0b"},
            {"video": os.fsdecode(b"\xff.mp4"), "answer": "é"},
        ]
        writer = LineWriter(tmp_path / "rows.jsonl")
        for row in rows:
            writer.append(row)
        writer.close()
        assert rows_in(tmp_path / "rows.jsonl") == rows
        lines = (tmp_path / "rows.jsonl").read_bytes()
        assert "日本".encode() in lines
        # also for those who split at all that Unicode calls an end of a line
        assert [json.loads(line) for line in lines.decode().splitlines()] == rows

    @pytest.mark.parametrize("end", [b"", b'{"vid', b'{"video": "b.mp4"}', b"\0" * 200_000])
    def test_what_a_kill_leaves_is_cut_off(self, tmp_path, end):
        path = write(tmp_path / "rows.jsonl", [{"video": "a.mp4"}] * 2)
        whole = path.read_bytes()
        path.write_bytes(whole + end)
        mend(path)
        assert path.read_bytes() == whole

    def test_nothing_but_the_start_of_a_line(self, tmp_path):
        path = tmp_path / "rows.jsonl"
        path.write_bytes(b"{" * 200_000)
        mend(path)
        assert path.read_bytes() == b""

    def test_a_full_disk_leaves_whole_lines(self, tmp_path, monkeypatch):
        writer = LineWriter(tmp_path / "rows.jsonl")
        writer.append({"video": "a.mp4"})
        write_all, calls = os.write, []

        def write_half(descriptor, data):
            calls.append(1)
            if len(calls) > 1:
                raise OSError(errno.ENOSPC, "No space left on device")
            return write_all(descriptor, bytes(data)[: len(data) // 2])

        monkeypatch.setattr(os, "write", write_half)
        with pytest.raises(OSError, match=r"it was not written: make room.*rows\.jsonl"):
            writer.append({"video": "b.mp4"})
        monkeypatch.undo()
        writer.append({"video": "c.mp4"})
        writer.close()
        assert rows_in(tmp_path / "rows.jsonl") == [{"video": "a.mp4"}, {"video": "c.mp4"}]

    @pytest.mark.parametrize(
        ("line", "why"), [(b"{]\n", "Expecting"), (b"\n", "Expecting"), (b"[1]\n", "it is of the type list")]
    )
    def test_damage_in_the_middle(self, tmp_path, line, why):
        path = write(tmp_path / "rows.jsonl", [{"video": "a.mp4"}])
        path.write_bytes(path.read_bytes() + line + b"{}\n")
        with pytest.raises(ValueError, match=f"^Line 2 of {re.escape(str(path))} is damaged \\({why}.*: take it out"):
            rows_in(path)


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


class TestParquet:
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

    def test_there_and_back(self, tmp_path):
        pytest.importorskip("pyarrow")
        from pyarrow import parquet

        path = write(tmp_path / "rows.jsonl", self.ROWS * 700)  # some row groups
        write_parquet(path, tmp_path / "rows.parquet")
        table = parquet.read_table(tmp_path / "rows.parquet").to_pylist()
        assert len(table) == 2100
        assert [row["video"] for row in table[:3]] == ["a.mp4", "b.mp4", "c.mp4"]
        assert [row["answer"] for row in table[:3]] == ["x", None, "z"]
        assert [row["error"] for row in table[:3]] == [None, "y", None]
        assert [row["id"] for row in table[:3]] == [1.0, 2.5, None]
        assert [row["mixed"] for row in table[:3]] == ["1", '"one"', None]
        assert table[2]["selected_frames"] == [{"index": 1, "score": 0.5}]
        read_parquet(tmp_path / "rows.parquet", tmp_path / "again.jsonl")
        again = rows_in(tmp_path / "again.jsonl")
        assert list(map(row_key, again)) == list(map(row_key, self.ROWS * 700))
        assert again[2] == {name: value for name, value in self.ROWS[2].items() if value is not None}
