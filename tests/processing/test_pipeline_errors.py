# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""`on_error="return"`: a sample that cannot be read gives its error, and all others their answers."""

import datasets
import numpy as np
import pytest
import torch
from torch.utils.data import Dataset
from transformers import pipeline
from transformers.pipelines.pt_utils import KeyDataset

from chats import PIXELS, WHAT, ask, film


class DamagedDataset(Dataset):
    """As one that decodes its items: some cannot be had."""

    def __init__(self, items):
        self.items = items

    def __len__(self):
        return len(self.items)

    def __getitem__(self, index):
        if isinstance(self.items[index], Exception):
            raise self.items[index]
        return self.items[index]


@pytest.fixture
def damaged(tmp_path):
    path = tmp_path / "damaged.mp4"
    path.write_bytes(b"no video")
    return str(path)


@pytest.fixture
def mixed(video, short_video, damaged, answers):
    """Videos, some of them damaged or missing, and what the pipeline returns of them."""
    videos = [damaged, video, "missing.mp4", short_video, damaged]
    expected = [[{"generated_text": answers[path, WHAT]}] if (path, WHAT) in answers else None for path in videos]
    for number in (0, 4):
        expected[number] = [{"error": expected_error(damaged)}]
    return videos, expected


def expected_error(path):
    return f"The video '{path}' could not be read: it is a text, not a video. Pass the video itself."


def without_missing(results):
    """The results, after a look at the third, whose message has a path of the machine."""
    results = list(results)
    [record] = results[2]
    assert list(record) == ["error"]
    assert record["error"].startswith("There is no video at 'missing.mp4': no such file or folder")
    return [*results[:2], None, *results[3:]]


@pytest.mark.parametrize("form", ["list", "generator", "dataset", "chats"])
@pytest.mark.parametrize("batch_size, num_workers", [(1, 0), (2, 0), (3, 1)])
def test_bad_samples_among_good_ones(pipe, mixed, form, batch_size, num_workers):
    videos, expected = mixed
    options = {"batch_size": batch_size, "num_workers": num_workers, "on_error": "return"}
    if form == "chats":
        results = pipe([ask(WHAT, film(path)) for path in videos], return_full_text=False, **options)
    else:
        made = {"list": videos, "generator": (path for path in videos), "dataset": DamagedDataset(videos)}
        results = pipe(made[form], text=WHAT, **options)
    assert without_missing(results) == expected


@pytest.mark.parametrize("as_stream", [False, True], ids=["list", "generator"])
def test_in_threads(pipe, mixed, monkeypatch, as_stream):
    prepare = pipe._prepare
    monkeypatch.setattr(pipe, "_prepare", lambda inputs, device, **options: prepare(inputs, **options))
    videos, expected = mixed
    stream = (path for path in videos) if as_stream else videos
    results = pipe(stream, text=WHAT, batch_size=2, num_workers=2, on_error="return", device="cuda")
    assert without_missing(results) == expected


@pytest.mark.parametrize("num_workers", [0, 1])
@pytest.mark.parametrize("first", [True, False], ids=["first", "last"])
def test_dataset_that_cannot_give_an_item(pipe, video, answers, num_workers, first):
    """As one of `datasets` that opens its videos as they are asked for."""
    items = [RuntimeError("Could not open\n input file"), {"file": video}]
    answered = [[{"error": "RuntimeError: Could not open input file"}], [{"generated_text": answers[video, WHAT]}]]
    dataset = KeyDataset(DamagedDataset(items if first else items[::-1]), "file")
    options = {"text": WHAT, "batch_size": 2, "num_workers": num_workers}
    assert list(pipe(dataset, **options, on_error="return")) == (answered if first else answered[::-1])
    with pytest.raises(RuntimeError, match="Could not open\n input file"):
        list(pipe(dataset, **options))


def test_options_of_answers(pipe, mixed):
    """One failed, alone or with all of its batch, whatever else was asked for."""
    videos, _ = mixed
    options = {"batch_size": 2, "return_selected_frames": True, "return_tensors": True, "num_return_sequences": 2}
    results = pipe([*videos[:4], "a.mp4", "b.mp4"], text=WHAT, num_beams=2, on_error="return", **options)
    assert [["error" in record for record in records] for records in results] == [
        [True], [False, False], [True], [False, False], [True], [True],
    ]  # fmt: skip
    assert all(record["selected_frames"] for number in (1, 3) for record in results[number])
    assert pipe(videos[0], text=WHAT, on_error="return") == [{"error": expected_error(videos[0])}]


@pytest.mark.parametrize(
    "sample, message",
    [
        ({"video": PIXELS, "text": ""}, "The question is missing: the text is empty. Say what to answer."),
        ({"film": "a.mp4", "text": WHAT}, "A sample must be a chat, or a dictionary with a `text`"),
        (
            ask(WHAT, {**film(PIXELS), "video_start": 1}),
            "Part 0 of message 0, of the type 'video', has the unknown key",
        ),
        (DamagedDataset([KeyError("video")]), "KeyError: 'video'"),
        (DamagedDataset([NotImplementedError()]), "NotImplementedError"),
        (DamagedDataset([OSError("Input/output\terror " + "x" * 900)]), "Input/output error xxx"),
    ],
    ids=["no_question", "unknown_key", "unknown_option", "named", "no_message", "long"],
)
def test_line_says_what_is_wrong(pipe, sample, message):
    [results] = pipe(sample if isinstance(sample, Dataset) else [sample], on_error="return")
    [record] = results
    assert list(record) == ["error"]
    assert record["error"].startswith(message)
    assert len(record["error"]) <= 400 and "\n" not in record["error"]


def test_option_of_the_pipeline_itself(release, damaged):
    pipe = pipeline("video-text-to-text", model=str(release), device="cpu", on_error="return", max_new_tokens=1)
    assert list(pipe(damaged, text=WHAT)[0]) == ["error"]
    with pytest.raises(ValueError, match="could not be read"):
        pipe(damaged, text=WHAT, on_error="raise")


def test_errors_in_generation_are_raised(pipe, video, monkeypatch):
    def fail(**inputs):
        raise torch.OutOfMemoryError("no memory")

    monkeypatch.setattr(pipe.model, "generate", fail)
    with pytest.raises(torch.OutOfMemoryError, match="no memory"):
        pipe([video, "missing.mp4"], text=WHAT, on_error="return", batch_size=2)


def test_error_in_a_generator_ends_it(pipe, video, answers):
    def videos():
        yield video
        raise RuntimeError("the list ends here")

    results = iter(pipe(videos(), text=WHAT, on_error="return"))
    assert next(results) == [{"generated_text": answers[video, WHAT]}]
    with pytest.raises(RuntimeError, match="the list ends here"):
        next(results)


@pytest.mark.parametrize("value", ["skip", True, 1])
def test_unknown_value(pipe, video, value):
    with pytest.raises(ValueError, match=rf"^`on_error` \({value!r}\) must be 'raise' or 'return'\.$"):
        pipe((path for path in [video]), text=WHAT, on_error=value)


@pytest.mark.parametrize("batch_size", [1, 2])
def test_prompt_that_is_too_long(pipe, video, answers, batch_size):
    """It would fail in generation, with all of its batch."""
    questions = [WHAT, "w" * 100_000, WHAT]
    good = [{"generated_text": answers[video, WHAT]}]
    results = pipe([video] * 3, text=questions, batch_size=batch_size, on_error="return")
    assert results[::2] == [good, good]
    assert "tokens, the language model takes at most" in results[1][0]["error"]


@pytest.mark.parametrize("as_stream", [False, True], ids=["list", "generator"])
@pytest.mark.parametrize("first", ["chat", "sample"])
def test_chats_and_samples_beside_each_other(pipe, video, answers, as_stream, first):
    samples = [ask(WHAT, film(video)), {"video": video, "text": WHAT}, ask(WHAT, film(video))]
    samples = samples if first == "chat" else samples[1:]
    results = pipe((sample for sample in samples) if as_stream else samples, batch_size=2, return_full_text=False)
    assert list(results) == [[{"generated_text": answers[video, WHAT]}]] * len(samples)


@pytest.mark.parametrize("form", ["list", "array", "dataset", "generator", "samples", "images too", "images"])
def test_visual_that_is_missing(pipe, video, answers, form):
    """The question alone would be answered with something made up."""
    videos, images = [video, None, video], [PIXELS[0]] * 3
    name = "image" if form == "images" else "video"
    made = {
        "list": {"videos": videos},
        "array": {"videos": np.array(videos, dtype=object)},
        "dataset": {"videos": KeyDataset([{"file": path} for path in videos], "file")},
        "generator": {"videos": (path for path in videos)},
        "samples": {"videos": [{"video": path, "text": WHAT} for path in videos]},
        "images too": {"videos": videos, "images": images},
        "images": {"images": [images[0], None, images[0]]},
    }
    text = {"samples": None, "images": [WHAT] * 3}.get(form, WHAT)
    first, missing, last = pipe(**made[form], text=text, batch_size=2, on_error="return")
    assert missing == [{"error": f"The sample has nothing as '{name}': leave it out."}]
    assert first == last and "error" not in first[0]
    assert "images" in form or first == [{"generated_text": answers[video, WHAT]}]
    if form == "samples":
        with pytest.raises(ValueError, match="^The sample has nothing as 'video': leave it out"):
            pipe(**made[form])
    # a column that this sample does not need
    assert pipe({"video": video, "image": None, "text": WHAT}) == [{"generated_text": answers[video, WHAT]}]


def test_columns_of_questions(pipe, video, answers):
    table = datasets.Dataset.from_dict({"video": [video] * 3, "question": [WHAT, None, WHAT]})
    good = [{"generated_text": answers[video, WHAT]}]
    for videos in (table["video"], [video] * 3):
        first, missing, last = pipe(videos, text=table["question"], on_error="return")
        assert first == last == good and list(missing[0]) == ["error"]
    with pytest.raises(
        ValueError,
        match="^With a generator or dataset of videos, `text` must be one question for all of them, or a list of 3",
    ):
        pipe(table["video"], text=[WHAT] * 2)
