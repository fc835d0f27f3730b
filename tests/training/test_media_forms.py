# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Rows whose videos and images are in the forms of `datasets` and of OpenAI's API are learned from as those with paths."""

import base64
from pathlib import Path

import pytest
import torch
from PIL import Image
from transformers import AutoProcessor

from input_forms import data_address, make_decoder
from tiny_families import write_tinyllava
from transformers_mvgpt import TinyLlavaVideoProcessor
from transformers_mvgpt.training import DataCollator, InstructionDataset
from transformers_mvgpt.training.media_folder import MediaFolder
from transformers_mvgpt.training.messages import to_messages


datasets = pytest.importorskip("datasets")
ANSWER = {"role": "assistant", "content": [{"type": "text", "text": "A cat."}]}


@pytest.fixture(scope="module", params=["mobile_videogpt", "tinyllava"])
def processor(request, release, tmp_path_factory):
    if request.param == "mobile_videogpt":
        return AutoProcessor.from_pretrained(release)
    return TinyLlavaVideoProcessor.from_pretrained(write_tinyllava(tmp_path_factory.mktemp("tinyllava")))


@pytest.fixture(scope="module")
def video(clip):
    return str(clip("h264.mp4"))


def ask(part):
    return {"messages": [{"role": "user", "content": [part, {"type": "text", "text": "What?"}]}, ANSWER]}


def beside(video):
    return {"messages": [{"role": "user", "content": "<video>What?"}, ANSWER], "videos": [video]}


def columns(video, feature):
    rows = {key: [value] for key, value in beside(video).items()}
    rows["messages"][0][0]["content"] = [{"type": "video"}, {"type": "text", "text": "What?"}]
    return datasets.Dataset.from_dict(rows).cast_column("videos", datasets.List(feature))


def one_column(video, **options):
    turns = [{"from": "human", "value": "<video>\nWhat?"}, {"from": "gpt", "value": "A cat."}]
    dataset = datasets.Dataset.from_list([{"conversations": turns, "video": video}])
    return dataset.cast_column("video", datasets.Video(**options))


def as_parquet(dataset, folder):
    path = folder / "rows.parquet"
    dataset.to_parquet(str(path))
    return path


FORMS = {
    "noted_path": lambda video, _: [ask({"type": "video", "video": {"bytes": None, "path": video}})],
    "noted_bytes": lambda video, _: [beside({"bytes": Path(video).read_bytes(), "path": "clip.mp4"})],
    "bytes": lambda video, _: [beside(Path(video).read_bytes())],
    "decoder": lambda video, _: [ask({"type": "video", "video": make_decoder(video, noted=True)})],
    "file_address": lambda video, _: [beside(Path(video).as_uri())],
    "data_address": lambda video, _: [beside(data_address(video))],
    "video_url": lambda video, _: [ask({"type": "video_url", "video_url": {"url": video}})],
    "input_video": lambda video, _: [
        ask({"type": "input_video", "input_video": {"data": base64.b64encode(Path(video).read_bytes()).decode()}})
    ],
    "column": lambda video, _: one_column(video),
    "column_not_decoded": lambda video, _: one_column(video, decode=False),
    "column_of_lists": lambda video, _: columns(video, datasets.Video()),
    "column_of_bytes": lambda video, _: one_column({"bytes": Path(video).read_bytes(), "path": None}),
    "parquet": lambda video, folder: as_parquet(one_column({"bytes": Path(video).read_bytes(), "path": None}), folder),
}


def batch_of(processor, rows, folder):
    if isinstance(rows, list):
        media = MediaFolder(folder)
        samples = [{"messages": to_messages(row, media)} for row in rows]
    else:
        dataset = InstructionDataset(rows, media_folder=folder)
        samples = [dataset[index] for index in range(len(dataset))]
    return DataCollator(processor)(samples)


@pytest.mark.parametrize("name", FORMS)
def test_videos(processor, video, tmp_path, name):
    folder = Path(video).parent
    expected = batch_of(processor, [ask({"type": "video", "path": video})], folder)
    batch = batch_of(processor, FORMS[name](video, tmp_path), folder)
    assert batch.keys() == expected.keys() >= set(processor.video_processor.model_input_names)
    for key, value in expected.items():
        assert torch.equal(batch[key], value)


def test_images(processor, tmp_path):
    path = tmp_path / "image.png"
    Image.linear_gradient("L").convert("RGB").resize((40, 30)).save(path)
    expected = batch_of(processor, [ask({"type": "image", "path": str(path)})], tmp_path)
    rows = [
        ask({"type": "image_url", "image_url": {"url": str(path), "detail": "low"}}),
        ask({"type": "input_image", "image_url": path.as_uri()}),
        ask({"type": "image", "image": {"bytes": path.read_bytes(), "path": None}}),
        ask({"type": "image", "image": {"bytes": None, "path": "image.png"}}),
    ]
    for row in rows:
        batch = batch_of(processor, [row], tmp_path)
        assert all(torch.equal(batch[key], value) for key, value in expected.items())


@pytest.mark.parametrize("name", ["noted_path", "decoder", "file_address", "video_url", "column", "column_of_lists"])
def test_paths_do_not_leave_the_folder(processor, video, tmp_path, name):
    with pytest.raises(ValueError, match=r"is '.*h264.mp4', which leads out of the media folder"):
        batch_of(processor, FORMS[name](video, tmp_path), tmp_path)


def test_images_of_a_dataset_do_not_leave_the_folder(video, tmp_path):
    path = tmp_path / "image.png"
    Image.new("RGB", (4, 4)).save(path)
    turns = [{"from": "human", "value": "<image>\nWhat?"}, {"from": "gpt", "value": "A cat."}]
    dataset = datasets.Dataset.from_list([{"conversations": turns, "image": str(path)}])
    dataset = dataset.cast_column("image", datasets.Image())
    assert InstructionDataset(dataset, media_folder=tmp_path)[0]["messages"][0]["content"][0]["image"] == str(path)
    with pytest.raises(ValueError, match="`image` is '.*image.png', which leads out of the media folder"):
        InstructionDataset(dataset, media_folder=Path(video).parent)


@pytest.mark.parametrize(
    ("part", "message"),
    [
        (
            {"type": "video", "video": {"byte": b""}},
            r"`video` is None, .*: it has the keys \['byte'\], a file has `bytes` and `path`$",
        ),
        ({"type": "video", "video": {"bytes": None, "path": None}}, "`video` is None, not a path or address$"),
        (
            {"type": "video_url", "video_url": {"url": 5}},
            "^a part of a message must have its address as 'video_url': .*[^.]$",
        ),
        ({"type": "video_url", "video_url": {"url": "a.mp4", "fps": 2}}, "has the unknown key 'fps'"),
        ({"type": "video_url", "video_url": "a.mp4", "fps": 2}, "has the unknown key `fps`"),
    ],
    ids=str,
)
def test_wrong_parts(part, message):
    with pytest.raises(ValueError, match=message):
        to_messages(ask(part), MediaFolder("."))
