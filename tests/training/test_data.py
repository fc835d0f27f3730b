# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
import json
from pathlib import Path

import pytest

from training_data import write_json
from transformers_mvgpt.training import InstructionDataset


ANSWER = {"from": "gpt", "value": "Yes."}


def text(value):
    return {"type": "text", "text": value}


def read_one(folder, record, **options):
    dataset = InstructionDataset(str(write_json(folder / "data.json", [record])), **options)
    return dataset[0]["messages"]


@pytest.mark.parametrize(
    "value",
    ["<image>\nWhat?", "What?\n<image>", "<image> What?", "What?<video>"],
    ids=["front", "end", "space", "other marker"],
)
@pytest.mark.parametrize("kind", ["image", "video"])
def test_release_form_puts_the_visual_in_front(tmp_path, kind, value):
    turns = [{"from": "human", "value": value}, ANSWER, {"from": "human", "value": "And?"}, ANSWER]
    messages = read_one(tmp_path, {"id": 7, kind: "a/b.mp4", "conversations": turns})
    assert messages[0]["content"][0] == {"type": kind, kind: str(tmp_path / "a/b.mp4")}
    assert [part["text"].strip() for part in messages[0]["content"][1:]] == ["What?"]
    assert messages[1:] == [
        {"role": "assistant", "content": [text("Yes.")]},
        {"role": "user", "content": [text("And?")]},
        {"role": "assistant", "content": [text("Yes.")]},
    ]


def test_release_form_with_system_prompt_and_several_images(tmp_path):
    turns = [{"from": "system", "value": "Be brief."}, {"from": "human", "value": "<image><image>Same?"}, ANSWER]
    messages = read_one(
        tmp_path, {"image": ["a.png", "/b.png"], "conversations": turns}, media_folder="media", media_anywhere=True
    )
    assert messages[0] == {"role": "system", "content": [text("Be brief.")]}
    assert messages[1]["content"] == [
        {"type": "image", "image": str(Path("media/a.png"))},
        {"type": "image", "image": "/b.png"},
        text("Same?"),
    ]


def test_chat(tmp_path):
    parts = [
        {"type": "video", "path": "a.mp4"},
        {"type": "image", "url": "https://x.org/b.png"},
        text("<video> What?"),
    ]
    chat = [{"role": "user", "content": parts}, {"role": "assistant", "content": "A cat."}]
    messages = read_one(tmp_path, {"messages": chat})
    assert messages == [
        {
            "role": "user",
            "content": [
                {"type": "video", "video": str(tmp_path / "a.mp4")},
                {"type": "image", "image": "https://x.org/b.png"},
                text("<video> What?"),  # a chat has no markers
            ],
        },
        {"role": "assistant", "content": [text("A cat.")]},
    ]


def test_arrow_fills_parts_with_empty_names(tmp_path):
    datasets = pytest.importorskip("datasets")
    chat = [
        {"role": "user", "content": [{"type": "video", "path": "a.mp4"}, text("What?")]},
        {"role": "assistant", "content": [text("A cat.")]},
    ]
    dataset = datasets.Dataset.from_list([{"messages": chat}])
    assert set(dataset[0]["messages"][0]["content"][0]) == {"type", "path", "text"}
    messages = InstructionDataset(dataset, "clips")[0]["messages"]
    assert messages[0]["content"] == [{"type": "video", "video": str(Path("clips/a.mp4"))}, text("What?")]


def test_several_files_modalities_and_lengths(tmp_path):
    question = {"from": "human", "value": "<image>\nWhat?"}
    first = [
        {"image": "a.png", "conversations": [question, ANSWER]},
        {"video": "a.mp4", "conversations": [question, ANSWER]},
    ]
    chats = [{"messages": [{"role": "assistant", "content": "x" * n}]} for n in (3, 5)]
    (tmp_path / "b.jsonl").write_text("\n".join(map(json.dumps, chats)))
    dataset = InstructionDataset([write_json(tmp_path / "a.json", first), tmp_path / "b.jsonl"])
    assert len(dataset) == 4
    assert dataset.modalities.tolist() == [1, 2, 0, 0]
    assert dataset.lengths.tolist() == [9, 9, 3, 5]
    assert dataset[3]["name"] == f"sample 1 of {tmp_path / 'b.jsonl'}" == dataset.describe(3)
    assert dataset[3]["messages"] == [{"role": "assistant", "content": [text("xxxxx")]}]
    for index in (4, -1):
        with pytest.raises(IndexError, match=f"There is no sample {index}, but 0 to 3"):
            dataset[index]


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (3, "it is of the type int, not an object"),
        ({"id": 1}, "it has neither `conversations` nor `messages`, but 'id'"),
        ({"conversations": [{"from": "human", "value": "Hi"}]}, "it has no turn of the assistant"),
        ({"conversations": [{"from": "robot", "value": "Hi"}]}, "a message has from 'robot'; known are 'human', "),
        ({"conversations": [{"from": "gpt"}]}, "a message has no text in `value`: {'from': 'gpt'}"),
        (
            {"conversations": [{"from": "human", "value": "<image>Hi"}, ANSWER]},
            "it has 1 markers <image> or <video>, but 0 visuals",
        ),
        ({"image": "a.png", "conversations": [ANSWER]}, "it has a visual, but no turn of a human"),
        ({"messages": [{"role": "user", "content": 3}]}, "the content of a message is of the type int"),
        (
            {"messages": [{"role": "user", "content": [{"type": "audio"}]}]},
            "its `type` must be 'text', 'image' or 'video'",
        ),
        ({"messages": [{"role": "user", "content": [{"type": "image"}]}]}, "must have one of image, path, url"),
    ],
)
def test_records_that_make_no_sense(tmp_path, record, message):
    path = tmp_path / "data.jsonl"
    path.write_text("\n".join(map(json.dumps, [{"conversations": [ANSWER]}, record])))
    with pytest.raises(ValueError) as error:
        InstructionDataset(path)
    assert str(error.value).startswith(f"In sample 1 of {path}: ")
    assert message in str(error.value)


def test_no_sample(tmp_path):
    path = write_json(tmp_path / "data.json", [])
    with pytest.raises(ValueError, match=f"There is no sample in {path}"):
        InstructionDataset(path)
