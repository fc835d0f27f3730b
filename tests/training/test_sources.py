# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
import json
import re
import tracemalloc

import pytest

from transformers_mvgpt.training import sources
from transformers_mvgpt.training.sources import JsonSource, open_sources


# strings with brackets, quotes, escapes, and characters of two to four bytes
RECORDS = [
    {"text": 'a } ] , " \\ [ {', "list": [[1, 2.5e-3], {}]},
    {"ключ": "значение", "日本": "語 😀"},
    {"empty": "", "null": None, "nested": {"a": {"b": [True]}}},
]


@pytest.fixture(params=[7, 1 << 20], ids=["small blocks", "one block"])
def any_block_size(request, monkeypatch):
    monkeypatch.setattr(sources, "_BLOCK_BYTES", request.param)


@pytest.mark.parametrize("style", [{"ensure_ascii": False}, {"ensure_ascii": True}, {"indent": 4}], ids=str)
def test_json_list(tmp_path, style, any_block_size):
    path = tmp_path / "data.json"
    path.write_text(json.dumps(RECORDS, **style), encoding="utf-8")
    source = JsonSource(path)
    assert len(source) == 3
    assert list(source) == RECORDS
    assert [source[index] for index in (2, 0, 1)] == [RECORDS[2], RECORDS[0], RECORDS[1]]


def test_json_with_a_byte_order_mark(tmp_path, any_block_size):
    path = tmp_path / "data.json"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(RECORDS).encode())
    assert list(JsonSource(path)) == RECORDS


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\n \n"], ids=["unix", "windows", "blank lines"])
def test_jsonl(tmp_path, newline):
    path = tmp_path / "data.jsonl"
    path.write_bytes(newline.join(json.dumps(record, ensure_ascii=False) for record in RECORDS).encode())
    source = JsonSource(path)
    assert list(source) == RECORDS
    assert source[1] == RECORDS[1]


@pytest.mark.parametrize("name", ["data.json", "data.jsonl"])
def test_memory_does_not_hold_the_samples(tmp_path, name):
    path = tmp_path / name
    lines = [json.dumps({"text": "x" * 5000}) for _ in range(2000)]  # 10 MB
    path.write_text("[" + ",\n".join(lines) + "]" if name.endswith("json") else "\n".join(lines))
    tracemalloc.start()
    source = JsonSource(path)
    held, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(source) == 2000
    assert held < 200_000
    assert peak < 6_000_000  # some blocks of a megabyte


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": 1}', r"is not a list of samples: there is '\{' at byte 0, not '\['"),
        ('[{"a": 1} {"b": 2}]', r"there is '\{' at byte 10, not ',' or ']'"),
        ('[{"a": 1}, {"b": ', r"is damaged at byte 11: "),
        ('[{"a": 1}, 2]', r"there is '2' at byte 11, not '\{'"),
        ('[{"a": 1}] [', r"there is '\[' at byte 11, not the end"),
        ('[{"a": 1},', r"is damaged: it ends at byte 10, inside of the list"),
        ("", r"is damaged: it ends at byte 0"),
        ('[{"a": 1}, {"b": x}]', r"is damaged at byte 11: "),
    ],
)
def test_damaged_json(tmp_path, text, message, any_block_size):
    path = tmp_path / "data.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        JsonSource(path)


def test_damage_is_found_without_reading_all(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "_BLOCK_BYTES", 100)
    monkeypatch.setattr(sources, "_LONGEST_BYTES", 1000)
    path = tmp_path / "data.json"
    path.write_text('[{"a" 1},' + '{"b": 2},' * 100_000 + "{}]")
    read = []
    decode = json.JSONDecoder.raw_decode
    monkeypatch.setattr(
        json.JSONDecoder, "raw_decode", lambda self, s, i: (read.append(len(s)), decode(self, s, i))[1]
    )
    with pytest.raises(ValueError, match="is damaged at byte 1: Expecting ':' delimiter"):
        JsonSource(path)
    assert max(read) < 10_000


def test_damaged_line(tmp_path):
    path = tmp_path / "data.jsonl"
    path.write_text('{"a": 1}\n{"b": \n{"c": 3}\n')
    source = JsonSource(path)
    assert source[2] == {"c": 3}
    with pytest.raises(ValueError, match=r"sample 1 of .*data.jsonl \(byte 9\) is not JSON: "):
        source[1]


def test_a_line_that_is_nested_without_end(tmp_path):
    path = tmp_path / "data.jsonl"
    path.write_text(f'{{"a": 1}}\n{"[" * 100_000}\n')
    with pytest.raises(ValueError, match=r"sample 1 of .*data.jsonl \(byte 9\) is not JSON: maximum recursion depth"):
        JsonSource(path)[1]
    (tmp_path / "data.json").write_text('[{"a":' + "[" * 100_000)
    with pytest.raises(ValueError, match="is damaged at byte 1: maximum recursion depth"):
        JsonSource(tmp_path / "data.json")


@pytest.mark.parametrize("empty", ["[]", " [ ] "])
def test_empty_list(tmp_path, empty):
    path = tmp_path / "data.json"
    path.write_text(empty)
    assert len(JsonSource(path)) == 0


class TestDatasets:
    @pytest.fixture
    def dataset(self):
        datasets = pytest.importorskip("datasets")
        return datasets.Dataset.from_list([{"messages": [{"role": "user", "content": str(n)}]} for n in range(3)])

    def test_in_memory_and_saved(self, tmp_path, dataset):
        dataset.save_to_disk(str(tmp_path / "saved"))
        for source in open_sources([dataset, str(tmp_path / "saved")]):
            assert len(source) == 3
            assert source[2] == {"messages": [{"role": "user", "content": "2"}]}
            assert [record["messages"][0]["content"] for record in source] == ["0", "1", "2"]
        assert open_sources(tmp_path / "saved")[0].describe(1) == f"sample 1 of {tmp_path / 'saved'}"

    def test_splits(self, tmp_path, dataset):
        import datasets

        datasets.DatasetDict({"test": dataset, "train": dataset}).save_to_disk(str(tmp_path / "saved"))
        with pytest.raises(ValueError, match=r"has the splits test, train: name one of them, as in .*saved/test"):
            open_sources(tmp_path / "saved")
        assert len(open_sources(tmp_path / "saved" / "train")[0]) == 3


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        ("nowhere.json", FileNotFoundError, "There is no data at nowhere.json."),
        (3, ValueError, "Not a dataset: int 3. Pass a .json, .jsonl, .csv or .parquet file"),
        ({"messages": []}, ValueError, "Not a dataset: dict"),
    ],
)
def test_no_data(data, error, message):
    with pytest.raises(error, match=re.escape(message)):
        open_sources(data)


def test_other_files(tmp_path):
    (tmp_path / "data.xlsx").write_text("a,b")
    with pytest.raises(ValueError, match="data.xlsx is no .json file .*, .jsonl file .*, .csv or .parquet file"):
        open_sources(tmp_path / "data.xlsx")
