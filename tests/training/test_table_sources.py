# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
import csv
import pickle
import random
import re
import tracemalloc

import pytest

from transformers_mvgpt.training import InstructionDataset, table_sources
from transformers_mvgpt.training.sources import open_sources


ROWS = [
    {"video": "a.mp4", "question": 'What, "exactly"; is\tit?'},
    {"video": "日本 語.mp4", "question": "two\nlines\r\nand \u2028 more"},
    {"video": "", "question": "😀"},
]


@pytest.fixture
def write(tmp_path):
    def write(data, name="data.csv"):
        path = tmp_path / name
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        return path

    return write


class TestCsv:
    @pytest.mark.parametrize("delimiter", [",", ";", "\t"])
    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
    def test_rows(self, tmp_path, delimiter, encoding):
        path = tmp_path / "data.csv"
        with open(path, "w", newline="", encoding=encoding) as file:
            writer = csv.DictWriter(file, ["video", "question"], delimiter=delimiter)
            writer.writeheader()
            writer.writerows(ROWS)
            file.write("\r\n")
        [source] = open_sources(path)
        assert list(source) == ROWS
        assert [source[index] for index in (2, 0, 1)] == [ROWS[2], ROWS[0], ROWS[1]]
        assert (len(source), source.folder) == (3, tmp_path)
        # the second sample goes over three lines
        assert [source.describe(index) for index in range(3)] == [f"line {line} of {path}" for line in (2, 3, 6)]
        assert pickle.loads(pickle.dumps(source))[1] == ROWS[1]

    def test_values_are_text(self, write):
        [source] = open_sources(write("id,n,ok\n007,1.50,true\n"))
        assert source[0] == {"id": "007", "n": "1.50", "ok": "true"}

    def test_one_column_without_a_last_line_break(self, write):
        assert list(open_sources(write("video\na.mp4\nb.mp4"))[0]) == [{"video": "a.mp4"}, {"video": "b.mp4"}]

    @pytest.mark.parametrize(
        ("data", "message"),
        [
            ("", "is empty: its first line must name the columns"),
            ("\n", "is empty: its first line must name the columns"),
            ("video,question\na.mp4\n", "Line 2 of {} has 1 values, the header has 2 columns"),
            ('video,question\na,"b\nc"\n\nd,e,f\n', "Line 5 of {} has 3 values, the header has 2 columns"),
            (
                ",video\n0,a.mp4\n",
                "Column 1 of {} has no name in line 1: name it, or take it out (pandas: `index=False`)",
            ),
            ("video,video\na,b\n", "{} names the column 'video' twice in line 1"),
            ('video,question\na,"b" c\n', "Line 2 of {} cannot be read as CSV: ',' expected after '\"'"),
            ('video,question\na,b\nc,"d\ne,f\n', "Line 3 to 4 of {} cannot be read as CSV: unexpected end of data"),
            (b"video\na.mp4\n\xff.mp4\n", "Line 3 of {} is not UTF-8"),
            ("video\n" + "x" * 200_000 + "\n", "Line 2 of {} cannot be read as CSV: field larger than field limit"),
        ],
    )
    def test_damaged(self, write, data, message):
        path = write(data)
        with pytest.raises(ValueError, match=re.escape(message.format(path))) as error:
            open_sources(path)
        assert "\n" not in str(error.value)

    def test_long_lines(self, write, monkeypatch):
        monkeypatch.setattr(table_sources, "_LONGEST_LINE_BYTES", 100)
        with pytest.raises(ValueError, match="Line 2 of .* has more than 100 bytes: no CSV"):
            open_sources(write("video\n" + "x" * 200))

    def test_memory_does_not_hold_the_rows(self, write):
        path = write("text\n" + ("x" * 5000 + "\n") * 2000)  # 10 MB
        tracemalloc.start()
        [source] = open_sources(path)
        held, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert len(source) == 2000
        assert held < 200_000
        assert peak < 2_000_000


class TestParquet:
    @pytest.fixture
    def write_rows(self, tmp_path):
        pyarrow = pytest.importorskip("pyarrow")
        from pyarrow import parquet

        def write_rows(rows, **options):
            path = tmp_path / "data.parquet"
            parquet.write_table(pyarrow.Table.from_pylist(rows), path, **options)
            return path

        return write_rows

    @pytest.mark.parametrize("row_group_size", [1, 2, None])
    def test_rows(self, write_rows, row_group_size):
        rows = [
            {"video": "a.mp4", "messages": [{"role": "user", "content": "日本"}], "n": 1},
            {"video": None, "messages": [], "n": 2},
            {"video": b"bytes".decode(), "messages": None, "n": None},
        ]
        path = write_rows(rows, row_group_size=row_group_size)
        [source] = open_sources(path)
        assert (len(source), source.folder, source.describe(2)) == (3, path.parent, f"sample 2 of {path}")
        assert list(source) == rows
        assert [source[index] for index in (2, 0, 1)] == [rows[2], rows[0], rows[1]]
        assert pickle.loads(pickle.dumps(source))[1] == rows[1]
        with pytest.raises(IndexError):
            source[3]

    def test_no_rows(self, write_rows, tmp_path):
        pyarrow = pytest.importorskip("pyarrow")
        pyarrow.parquet.write_table(
            pyarrow.table({"video": pyarrow.array([], pyarrow.string())}), tmp_path / "a.parquet"
        )
        [source] = open_sources(tmp_path / "a.parquet")
        assert (len(source), list(source)) == (0, [])

    def test_memory_is_bounded(self, write_rows, monkeypatch):
        pyarrow = pytest.importorskip("pyarrow")
        data = random.Random(0).randbytes(10_000)
        rows = [{"video": b"%d" % n + data} for n in range(2000)]  # 20 MB
        path = write_rows(rows, row_group_size=100)
        monkeypatch.setattr(table_sources, "_CACHE_BYTES", 3_000_000)
        [source] = open_sources(path)
        before = pyarrow.total_allocated_bytes()
        for index in range(0, 2000, 50):
            assert source[index] == rows[index]
        assert pyarrow.total_allocated_bytes() - before < 5_000_000
        assert len(source._groups) == 2
        # in order, nothing is held
        source = open_sources(write_rows(rows, write_batch_size=16))[0]
        before = pyarrow.total_allocated_bytes()
        for number, row in enumerate(source):
            assert row == rows[number]
            assert pyarrow.total_allocated_bytes() - before < 10_000_000
        monkeypatch.setattr(table_sources, "_LARGEST_GROUP_BYTES", 10_000_000)
        with pytest.raises(
            ValueError, match="Row group 0 of .* has more than 10000000 bytes, too many to pick rows out"
        ):
            source[1999]

    def test_damaged(self, write_rows, write):
        path = write_rows([{"video": f"{n}.mp4"} for n in range(1000)])
        data = path.read_bytes()
        with pytest.raises(
            ValueError, match=r"cut.parquet is damaged or no Parquet file: Parquet magic bytes not found"
        ):
            open_sources(write(data[:-20], "cut.parquet"))
        with pytest.raises(ValueError, match=r"text.parquet is damaged or no Parquet file"):
            open_sources(write("video\na.mp4\n", "text.parquet"))
        broken = write(data[:4] + b"\xff" * 300 + data[304:], "broken.parquet")
        for read in (list, lambda source: source[999]):
            with pytest.raises(ValueError, match=r"broken.parquet is damaged: .+[^.]\.$") as error:
                read(open_sources(broken)[0])
            assert "\n" not in str(error.value)

    def test_mutated_files_raise_value_errors_alone(self, write_rows, write):
        data = write_rows([{"video": f"{n}.mp4", "list": [n, None], "n": n / 2} for n in range(20)]).read_bytes()
        generator = random.Random(0)
        failed = 0
        for _ in range(200):
            mutated = bytearray(data)
            for _ in range(generator.randint(1, 5)):
                mutated[generator.randrange(len(mutated))] = generator.randrange(256)
            try:
                list(open_sources(write(bytes(mutated), "mutated.parquet"))[0])
            except ValueError:
                failed += 1
        assert failed > 100


def test_a_missing_package_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow.parquet", None)
    with pytest.raises(ImportError, match="data.parquet, pyarrow is needed: pip install pyarrow"):
        open_sources((tmp_path / "data.parquet").touch() or tmp_path / "data.parquet")


def test_training_reads_parquet(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    rows = [
        {
            "video": f"{n}.mp4",
            "messages": [{"role": "user", "content": "<video>What?"}, {"role": "assistant", "content": str(n)}],
        }
        for n in range(3)
    ]
    parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "rows.parquet")
    dataset = InstructionDataset(tmp_path / "rows.parquet")
    assert dataset.modalities.tolist() == [2, 2, 2]
    assert dataset[1]["messages"][0]["content"][0] == {"type": "video", "video": str(tmp_path / "1.mp4")}
