# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
import csv
import datetime
import json
import re

import numpy as np
import pytest
from PIL import Image

from transformers_mvgpt.scale.input_rows import InputRows


BOTH = ("video", "image")


def accept(row):
    if not (row.get("video") or row.get("image")):
        raise ValueError("it has neither")


def read(inputs, kinds=BOTH, prompt="What?", **options):
    return InputRows(inputs, kinds, prompt, accept, **options)


def records(*args, **options):
    return [row.record for row in read(*args, **options)]


def rows_of(*args, **options):
    return [row.row for row in read(*args, **options)]


@pytest.fixture
def in_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


class TestFiles:
    def test_folders(self, clips):
        rows = read(clips)
        assert [row.record for row in rows] == [
            {"video": str(clips / name), "question": "What?"} for name in ("a.mp4", "b.mp4", "c.mp4", "more/d.mp4")
        ]
        assert [row.row for row in rows] == [row.record for row in rows]
        assert len(rows) == 4
        assert rows.describe_left_out() == " Left out: 1 file that is no video (.txt 1)."

    def test_what_is_in_a_file_without_suffix(self, clips, in_folder):
        (in_folder / "clips").mkdir()
        video = (clips / "a.mp4").read_bytes()
        for name in ("video", "video.bin", ".hidden.mp4", "._a.mp4", "UPPER.MP4"):
            (in_folder / "clips" / name).write_bytes(video)
        (in_folder / "clips" / "empty.mkv").touch()
        (in_folder / "clips" / "text").write_text("text")
        (in_folder / "clips" / "list.m3u8").write_text("#EXTM3U\n")
        (in_folder / "clips" / ".hidden").mkdir()
        (in_folder / "clips" / ".hidden" / "a.mp4").write_bytes(video)
        Image.new("RGB", (9, 9)).save(in_folder / "clips" / "cover.jpg")
        Image.new("RGB", (9, 9)).save(in_folder / "clips" / "cover.bin", format="PNG")
        rows = read("clips")
        assert [row.record["video"] for row in rows] == [
            f"clips/{name}" for name in ("empty.mkv", "UPPER.MP4", "video", "video.bin")
        ]
        assert rows.left_out == {".jpg": 1, ".bin": 1, ".m3u8": 1, "without suffix": 1}
        # for a model of images
        assert records("clips", ("image",)) == [
            {"image": f"clips/{name}", "question": "What?"} for name in ("cover.bin", "cover.jpg")
        ]

    def test_links_that_match_a_pattern(self, clips, in_folder):
        (in_folder / "a.mp4").write_bytes((clips / "a.mp4").read_bytes())
        (in_folder / "broken.mp4").symlink_to("nothing")
        (in_folder / ".hidden.mp4").touch()
        for name in ("round", "round_again"):  # paths without end
            (in_folder / name).symlink_to(".")
        assert [record["video"] for record in records("**/*.mp4")] == ["a.mp4", "broken.mp4"]
        assert [record["video"] for record in records(f"{in_folder}/**")] == [
            str(in_folder / name) for name in ("a.mp4", "broken.mp4")
        ]
        assert [record["video"] for record in records(".hid*.mp4")] == [".hidden.mp4"]
        with pytest.raises(FileNotFoundError, match=r"^Nothing matches the pattern \*\.mkv\.$"):
            read("*.mkv")

    def test_files_of_the_output_match_no_pattern(self, clips, in_folder):
        (in_folder / "a.mp4").write_bytes((clips / "a.mp4").read_bytes())
        (in_folder / "answers.jsonl").write_text('{"video": "b.mp4"}')
        assert len(records("*")) == 2
        assert records("*", is_output=lambda path: path == "answers.jsonl") == [
            {"video": "a.mp4", "question": "What?"}
        ]

    def test_a_folder_of_pictures(self, in_folder):
        (in_folder / "frames").mkdir()
        for name in ("0.png", "1.png"):
            (in_folder / "frames" / name).touch()
        message = (
            "Left out: 2 files that are no videos (.png 2). A folder with the frames of a video is named in a list."
        )
        with pytest.raises(ValueError, match=re.escape(message)):
            read("frames")

    def test_lists_in_capitals_and_by_other_paths(self, clips, in_folder):
        (in_folder / "LIST.JSONL").write_text('{"video": "a.mp4"}')
        rows = read("LIST.JSONL")
        assert [row.record["video"] for row in rows] == ["a.mp4"]
        assert rows.list_files == [str(in_folder / "LIST.JSONL")]

    def test_datasets_of_bytes_are_told_apart(self, clips):
        datasets = pytest.importorskip("datasets")
        first, other, again = (
            records(datasets.Dataset.from_dict({"video": [{"bytes": data, "path": None}]}))[0]["video"]
            for data in (b"1", b"2", b"1")
        )
        assert first == again != other

    def test_what_names_are_relative_to(self, clips, in_folder):
        (in_folder / "list.jsonl").write_text('{"video": "a.mp4"}')
        (in_folder / "other.mp4").touch()
        assert read([str(clips), "https://example.com/a.mp4"]).relative_to == []
        assert read("other.mp4").relative_to == [str(in_folder)]
        (in_folder / "other").mkdir()
        (in_folder / "other" / "list.jsonl").write_text('{"video": "a.mp4"}')
        assert read(["list.jsonl", "other/list.jsonl"]).relative_to == [str(in_folder), str(in_folder / "other")]

    def test_files_addresses_and_patterns(self, clips, in_folder):
        Image.new("RGB", (9, 9)).save(in_folder / "a.png")
        address = "https://example.com/b.webm?x=1"
        inputs = [str(clips / "more" / ".." / "a.mp4"), address, "a.png", f"{clips}/**/*.mp4", str(clips / "a.mp4")]
        assert [next(iter(record.items())) for record in records(inputs)] == [
            ("video", inputs[0]),
            ("video", address),
            ("image", "a.png"),
            *[("video", str(clips / name)) for name in ("a.mp4", "b.mp4", "c.mp4", "more/d.mp4")],
            ("video", inputs[-1]),
        ]

    def test_names_that_are_patterns(self, clips, in_folder):
        (in_folder / "[a].mp4").write_bytes((clips / "a.mp4").read_bytes())
        assert records("[a].mp4") == [{"video": "[a].mp4", "question": "What?"}]

    @pytest.mark.parametrize(
        ("inputs", "error", "message"),
        [
            ("nowhere.mp4", FileNotFoundError, "Nothing is at nowhere.mp4."),
            ("*.avi", FileNotFoundError, "Nothing matches the pattern *.avi."),
            ("folder", ValueError, "There are no videos in the input. Left out: 2 files that are no videos (.txt 2)."),
            ([], ValueError, "There are no videos in the input."),
            (3, ValueError, "Not a dataset: int 3"),
        ],
    )
    def test_nothing_there(self, in_folder, inputs, error, message):
        (in_folder / "folder").mkdir()
        for name in "ab":
            (in_folder / "folder" / f"{name}.txt").write_text("a")
        with pytest.raises(error, match=re.escape(message)):
            read([inputs] if inputs == 3 else inputs)

    def test_files_need_a_prompt(self, clips):
        with pytest.raises(
            ValueError, match="A question is missing: give `prompt=...`, or a list with a column `question`"
        ):
            read(clips, prompt=None)


LIST = [{"video": "a.mp4", "question": "A?", "id": 1}, {"video": "more/d.mp4", "question": "", "id": 2}]


class TestLists:
    @pytest.fixture(params=["jsonl", "json", "csv", "parquet", "dataset"])
    def path(self, request, clips, tmp_path):
        kind = request.param
        path = tmp_path / f"list.{kind}"
        if kind == "jsonl":
            path.write_text("".join(json.dumps(row) + "\n" for row in LIST))
        elif kind == "json":
            path.write_text(json.dumps(LIST))
        elif kind == "csv":
            with open(path, "w", newline="") as file:
                writer = csv.DictWriter(file, list(LIST[0]))
                writer.writeheader()
                writer.writerows(LIST)
        elif kind == "parquet":
            pyarrow = pytest.importorskip("pyarrow")
            import pyarrow.parquet as parquet

            parquet.write_table(pyarrow.Table.from_pylist(LIST), path)
        else:
            datasets = pytest.importorskip("datasets")
            datasets.Dataset.from_list(LIST).save_to_disk(str(path))
        return path

    def test_all_kinds(self, path, clips):
        rows = list(read(path, media_folder=clips))
        ids = ["1", "2"] if path.suffix == ".csv" else [1, 2]
        assert [row.record for row in rows] == [
            {"video": "a.mp4", "question": "A?", "id": ids[0]},
            {"video": "more/d.mp4", "question": "What?", "id": ids[1]},
        ]
        assert [row.row for row in rows] == [{**row.record, "video": str(clips / row.record["video"])} for row in rows]

    def test_splits_are_named(self, in_folder):
        datasets = pytest.importorskip("datasets")
        datasets.DatasetDict({"test": datasets.Dataset.from_list(LIST)}).save_to_disk("saved")
        with pytest.raises(ValueError, match="saved has the splits test: name one of them"):
            read("saved")
        assert len(read("saved/test")) == 2

    def test_paths_are_those_of_the_list(self, in_folder):
        (in_folder / "data").mkdir()
        (in_folder / "data" / "list.jsonl").write_text('{"video": "a.mp4"}\n{"image": "b.png"}\n')
        assert [list(row.values())[0] for row in rows_of("data/list.jsonl")] == ["data/a.mp4", "data/b.png"]
        assert records("data/list.jsonl")[0]["video"] == "a.mp4"
        # what lists of several folders name must not be mixed up
        (in_folder / "list.jsonl").write_text('{"video": "a.mp4"}\n{"video": "https://example.com/c.mp4"}\n')
        names = [record.get("video") for record in records(["data/list.jsonl", "list.jsonl"])]
        assert names == ["data/a.mp4", None, "./a.mp4", "https://example.com/c.mp4"]

    def test_paths_do_not_leave_the_folder(self, in_folder):
        (in_folder / "list.jsonl").write_text('{"video": "a.mp4"}\n{"video": "../b.mp4"}\n{"video": "/c.mp4"}\n')
        rows = list(read("list.jsonl"))
        for row in rows[1:]:
            assert re.match("`video` is '.*', which leads out of the media folder", row.row["error"])
        assert rows[1].record == {"video": "../b.mp4", "question": "What?"}
        assert [row["video"] for row in rows_of("list.jsonl", media_anywhere=True)] == [
            "./a.mp4",
            "./../b.mp4",
            "/c.mp4",
        ]

    def test_first_rows_that_are_none(self, in_folder):
        (in_folder / "list.jsonl").write_text('{"path": "a.mp4"}\n')
        with pytest.raises(ValueError, match=re.escape("In sample 0 of list.jsonl: it has neither.")):
            read("list.jsonl")
        (in_folder / "list.jsonl").write_text('{"video": "/a.mp4"}\n')
        with pytest.raises(ValueError, match="In sample 0 of list.jsonl: `video` is '/a.mp4', which leads out"):
            read("list.jsonl")
        (in_folder / "list.jsonl").write_text("[1]\n")
        with pytest.raises(ValueError, match="In sample 0 of list.jsonl: it is of the type list, not an object"):
            read("list.jsonl")

    def test_later_rows_that_are_none(self, in_folder):
        (in_folder / "list.jsonl").write_text('{"video": "a.mp4"}\n{"video": \n3\n{"video": "b.mp4"}\n')
        rows = list(read("list.jsonl"))
        assert [row.record.get("video") for row in rows] == ["a.mp4", None, None, "b.mp4"]
        assert rows[1].record == {"row": "sample 1 of list.jsonl"}
        assert rows[1].row["error"].startswith("sample 1 of list.jsonl (byte 19) is not JSON")
        assert rows[2].row == {"error": "it is of the type int, not an object"}

    def test_columns_that_the_output_has_itself(self, in_folder):
        row = {"video": "a.mp4", "answer": "two", "error": None, "input_error": "x", "selected_frames": [1]}
        (in_folder / "list.jsonl").write_text(json.dumps(row) + "\n")
        [read_row] = read("list.jsonl")
        assert read_row.record == {
            "video": "a.mp4",
            "input_answer": "two",
            "input_input_error": None,
            "input_error": "x",
            "input_selected_frames": [1],
            "question": "What?",
        }
        assert not {"answer", "error"} & read_row.row.keys()


class TestObjects:
    def test_mappings(self, clips):
        video = np.zeros((16, 8, 8, 3), np.uint8)
        data = (clips / "a.mp4").read_bytes()
        given = [
            {"video": str(clips / "a.mp4"), "n": np.int64(3), "day": datetime.date(2026, 1, 2), "x": float("nan")},
            {"video": video, "thumbnail": b"bytes", "list": np.array([1, 2])},
            {"video": {"bytes": data, "path": "in.mp4"}},
            {"image": {"bytes": None, "path": "/b.png"}},
        ]
        rows = list(read(given))
        assert [row.record for row in rows] == [
            {"video": str(clips / "a.mp4"), "n": 3, "day": "2026-01-02", "x": None, "question": "What?"},
            {"video": "row#1", "list": [1, 2], "question": "What?"},
            {"video": "row#2", "question": "What?"},
            {"image": "/b.png", "question": "What?"},
        ]
        assert rows[1].row["video"] is video
        assert rows[2].row["video"] == data
        assert rows[3].row["image"] == "/b.png"

    def test_datasets_are_not_decoded(self, clips):
        datasets = pytest.importorskip("datasets")
        paths = [str(clips / "a.mp4"), str(clips / "b.mp4")]
        dataset = datasets.Dataset.from_dict({"video": paths, "label": [1, 2]})
        dataset = dataset.cast_column("video", datasets.Video())
        rows = list(read(dataset))
        assert [row.row["video"] for row in rows] == paths
        assert [row.record for row in rows] == [
            {"video": path, "label": label, "question": "What?"} for path, label in zip(paths, (1, 2), strict=True)
        ]

    def test_bytes_in_parquet(self, clips, tmp_path):
        pyarrow = pytest.importorskip("pyarrow")
        from pyarrow import parquet

        data = (clips / "a.mp4").read_bytes()
        parquet.write_table(pyarrow.table({"video": [data, data], "question": ["A?", None]}), tmp_path / "a.parquet")
        rows = list(read(tmp_path / "a.parquet"))
        assert [row.row["video"] for row in rows] == [data, data]
        assert [row.record for row in rows] == [
            {"video": f"{tmp_path}/a.parquet#0", "question": "A?"},
            {"video": f"{tmp_path}/a.parquet#1", "question": "What?"},
        ]
