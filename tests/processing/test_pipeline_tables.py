# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Datasets, data frames and columns give the answers that their rows give one by one."""

import datetime
from pathlib import Path

import pytest
from transformers.pipelines.pt_utils import KeyDataset, KeyPairDataset

from chats import PICTURE, WHAT, WHERE, ask, film
from input_forms import need_torchcodec


datasets = pytest.importorskip("datasets")
pandas = pytest.importorskip("pandas")
pyarrow = pytest.importorskip("pyarrow")


@pytest.fixture(scope="module", autouse=True)
def without_progress():
    datasets.disable_progress_bars()


@pytest.fixture
def rows(video, short_video):
    return {
        "id": [7, 8],
        "video": [video, short_video],
        "question": [WHAT, WHERE],
        "duration": [4.0, None],
        "label": ["a", "b"],
        "day": [datetime.date(2026, 11, 28)] * 2,
    }


@pytest.fixture
def expected(video, short_video, answers):
    return [[{"generated_text": answers[video, WHAT]}], [{"generated_text": answers[short_video, WHERE]}]]


def with_videos(rows, **options):
    return datasets.Dataset.from_dict(rows).cast_column("video", datasets.Video(**options))


def with_bytes(rows):
    noted = [{"bytes": Path(path).read_bytes(), "path": None} for path in rows["video"]]
    return with_videos({**rows, "video": noted})


TABLES = {
    "data_frame": pandas.DataFrame,
    "arrow_table": pyarrow.table,
    "paths": datasets.Dataset.from_dict,
    "videos": with_videos,
    "not_decoded": lambda rows: with_videos(rows, decode=False),
    "bytes": with_bytes,
    "own_options": lambda rows: with_videos(rows, stream_index=0),
    "formatted": lambda rows: with_videos(rows).with_format("torch", columns=["id"], output_all_columns=True),
    "streamed": lambda rows: with_videos(rows).to_iterable_dataset(),
    "streamed_bytes": lambda rows: with_bytes(rows).to_iterable_dataset(),
    "streamed_without_features": lambda rows: datasets.IterableDataset.from_generator(
        lambda: (dict(zip(rows, row, strict=True)) for row in zip(*rows.values(), strict=True))
    ),
}


WITH_WORKERS = [(name, 1) for name in ("data_frame", "videos", "bytes", "streamed", "streamed_without_features")]


@pytest.mark.parametrize("name, num_workers", [*((name, 0) for name in TABLES), *WITH_WORKERS])
def test_tables(pipe, rows, expected, name, num_workers):
    if name in ("own_options", "formatted"):
        need_torchcodec()
    table = TABLES[name](rows)
    results = pipe(table, batch_size=2, num_workers=num_workers)
    assert isinstance(results, list) == (name in ("data_frame", "arrow_table"))
    assert list(results) == expected


@pytest.mark.parametrize("name", ["data_frame", "videos", "streamed"])
def test_one_question_for_all_rows(pipe, rows, video, short_video, answers, name):
    expected = [[{"generated_text": answers[path, WHAT]}] for path in (video, short_video)]
    assert list(pipe(TABLES[name](rows), text=WHAT)) == expected
    del rows["question"]
    assert list(pipe(TABLES[name](rows), text=WHAT, batch_size=2)) == expected


def test_columns(pipe, rows, video, short_video, answers):
    need_torchcodec()
    dataset = with_videos(rows)
    expected = [[{"generated_text": answers[path, WHAT]}] for path in (video, short_video)]
    for column in (
        KeyDataset(dataset, "video"),
        dataset["video"],
        dataset.to_iterable_dataset()["video"],
        pandas.Series(rows["video"], index=["x", "y"]),
        pyarrow.array(rows["video"]),
    ):
        assert list(pipe(column, text=WHAT)) == expected
    own = [[{"generated_text": answers[video, WHAT]}], [{"generated_text": answers[short_video, WHERE]}]]
    frame = pandas.DataFrame(rows)
    assert pipe(frame["video"], text=frame["question"]) == own
    assert list(pipe(KeyPairDataset(dataset, "question", "video"))) == own
    chats = pandas.Series([ask(WHAT, film(video)), ask(WHERE, film(short_video))])
    assert pipe(chats, return_full_text=False) == own


def test_segments_of_rows(pipe, video):
    table = pandas.DataFrame(
        {"video": [video, video], "text": [WHAT, WHAT], "start_seconds": [1.0, None], "end_seconds": [2.0, None]}
    )
    expected = [pipe(video, text=WHAT, start_seconds=1, end_seconds=2), pipe(video, text=WHAT)]
    assert pipe(table) == expected
    sample = {"video": video, "text": WHAT, "start_seconds": 1, "end_seconds": 2}
    options = {"return_selected_frames": True}
    assert pipe(sample, **options) == pipe(video, text=WHAT, start_seconds=1, end_seconds=2, **options)
    with pytest.raises(ValueError, match="'start_seconds' of a sample that has no video"):
        pipe({"text": WHAT, "start_seconds": 1})


def test_images(pipe, tmp_path):
    PICTURE.save(tmp_path / "picture.png")
    rows = {"image": [str(tmp_path / "picture.png")] * 2, "question": [WHAT, WHERE]}
    expected = [pipe(text=question, images=PICTURE) for question in (WHAT, WHERE)]
    for feature in (datasets.Image(), datasets.Image(decode=False), datasets.Image(mode="RGB")):
        assert list(pipe(datasets.Dataset.from_dict(rows).cast_column("image", feature))) == expected
    several = datasets.Dataset.from_dict({"images": [rows["image"]], "text": [WHAT]})
    several = several.cast_column("images", datasets.List(datasets.Image()))
    assert list(pipe(several)) == [pipe({"images": [PICTURE, PICTURE], "text": WHAT})]


def test_messages_with_videos_beside(pipe, video, short_video):
    """As datasets for training have them."""
    messages = [{"role": "user", "content": [{"type": "video"}, {"type": "text", "text": WHAT}]}]
    table = datasets.Dataset.from_dict({"messages": [messages] * 2, "videos": [[video], [short_video]]})
    table = table.cast_column("videos", datasets.List(datasets.Video()))
    expected = [pipe(ask(WHAT, film(path)), return_full_text=False) for path in (video, short_video)]
    assert list(pipe(table, return_full_text=False)) == expected
    [result] = pipe([{"messages": messages, "video": video}], return_full_text=False)
    assert result == expected[0]
    with pytest.raises(
        ValueError, match="There are 2 videos beside the messages, and 1 parts {'type': 'video'} without"
    ):
        pipe({"messages": messages, "videos": [video, video]})
    with pytest.raises(ValueError, match="`messages` must be a list of messages, got str 'x'"):
        pipe({"messages": "x"})


@pytest.mark.parametrize("name, num_workers", [("data_frame", 0), ("videos", 1), ("bytes", 0), ("streamed", 1)])
def test_bad_rows_among_good_ones(pipe, video, rows, expected, tmp_path, name, num_workers):
    damaged = tmp_path / "damaged.mp4"
    damaged.write_bytes(Path(video).read_bytes()[:100])
    rows = {key: [values[0], values[0], values[0], values[1]] for key, values in rows.items()}
    rows["video"][0] = str(damaged)
    rows["question"][1] = None
    results = list(pipe(TABLES[name](rows), on_error="return", batch_size=2, num_workers=num_workers))
    assert results[2:] == expected
    assert "could not be read" in results[0][0]["error"]
    assert results[1] == [
        {"error": "The question is missing: the row has nothing in its column 'question'. Say what to answer."}
    ]


def test_row_without_a_video(pipe, rows, expected):
    rows["video"][0] = None
    results = pipe(pandas.DataFrame(rows), on_error="return")
    assert results == [[{"error": "The row has nothing in its column 'video': leave it out."}], expected[1]]
    with pytest.raises(ValueError, match="Not a video: float nan"):
        pipe(pandas.Series([rows["video"][1], float("nan")]), text=WHAT)


@pytest.mark.parametrize(
    "columns, text, message",
    [
        (
            ["video"],
            None,
            "has no column with the question, 'text', 'question' or 'messages', but it has 'video': rename",
        ),
        (["video", "prompt"], None, "has no column with the question, .* but it has 'video', 'prompt'"),
        (
            ["film", "question"],
            None,
            "has no column with a video or image, .* but it has 'film', 'question': rename one",
        ),
        (["film", "question"], WHAT, "has no column with a video or image"),
        (["question"], WHAT, "has no column with a video or image"),
        (
            ["video", "question", "text"],
            None,
            "has the columns 'text' and 'question', and which of them asks is not clear",
        ),
        (["video", "question", "messages"], None, "has the columns 'question' and 'messages', and which of them asks"),
        (["video", "videos", "text"], None, "has the columns 'video' and 'videos', of which a row may have one"),
        ([f"c{number}" for number in range(30)], None, r".*'c18', 'c19', \.\.\.: rename one"),
    ],
    ids=str,
)
@pytest.mark.parametrize("name", ["data_frame", "arrow_table", "paths", "streamed_without_features"])
def test_unclear_columns(pipe, name, columns, text, message):
    table = TABLES[name]({column: ["x"] for column in columns})
    with pytest.raises(ValueError, match=f"^The table {message}") as error:
        list(pipe(table, text=text))
    assert "\n" not in str(error.value)


def test_what_cannot_stand_beside_a_table(pipe, rows):
    table = pandas.DataFrame(rows)
    for given in ({"text": [WHAT, WHAT]}, {"images": [PICTURE]}):
        with pytest.raises(ValueError, match="^With a table, `text` must be one question for all of its rows"):
            pipe(table, **given)
    splits = datasets.DatasetDict({"train": datasets.Dataset.from_dict(rows)})
    with pytest.raises(
        ValueError, match=r"^The dataset has the splits 'train': pass one of them, as in dataset\['train'\]"
    ):
        pipe(splits)


def test_questions_alone(pipe):
    expected = [pipe(text=question) for question in (WHAT, WHERE)]
    assert pipe(pandas.DataFrame({"text": [WHAT, WHERE]})) == expected


def test_only_what_datasets_alone_can_open_is_opened_by_it(monkeypatch):
    from transformers_mvgpt.processing.columns import StoredRows

    opened = []
    monkeypatch.setattr(datasets.Video, "decode_example", lambda self, value, **_: opened.append(value) or "opened")
    paths = ["hf://datasets/a/b/clip.mp4", "https://example.com/clip.mp4", "clip.mp4"]
    table = datasets.Dataset.from_dict({"video": paths}).cast_column("video", datasets.Video())
    noted = [{"bytes": None, "path": path} for path in paths]
    assert [row["video"] for row in StoredRows(table)] == ["opened", *noted[1:]]
    assert opened == noted[:1]
