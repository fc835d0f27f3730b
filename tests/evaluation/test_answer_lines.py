# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
import errno
import json
import os
import re

import pytest

from transformers_mvgpt.evaluation.answer_lines import LineWriter, mend, read_rows, to_line


def write(path, rows):
    path.write_bytes(b"".join(map(to_line, rows)))
    return path


def rows_in(path):
    return [row for _, _, row in read_rows(path)]


def test_rows_are_readable_lines(tmp_path):
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
def test_what_a_kill_leaves_is_cut_off(tmp_path, end):
    path = write(tmp_path / "rows.jsonl", [{"video": "a.mp4"}] * 2)
    whole = path.read_bytes()
    path.write_bytes(whole + end)
    mend(path)
    assert path.read_bytes() == whole


def test_nothing_but_the_start_of_a_line(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b"{" * 200_000)
    mend(path)
    assert path.read_bytes() == b""


def test_a_full_disk_leaves_whole_lines(tmp_path, monkeypatch):
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
    ("line", "why"),
    [
        (b"{]\n", "Expecting"),
        (b"\n", "Expecting"),
        (b"[1]\n", "it is of the type list"),
        (b"[" * 100_000 + b"\n", "maximum recursion"),
    ],
    ids=["no_json", "blank", "list", "deep"],
)
def test_damage_in_the_middle(tmp_path, line, why):
    path = write(tmp_path / "rows.jsonl", [{"video": "a.mp4"}])
    path.write_bytes(path.read_bytes() + line + b"{}\n")
    with pytest.raises(ValueError, match=f"^Line 2 of {re.escape(str(path))} is damaged \\({why}.*: take it out"):
        rows_in(path)
