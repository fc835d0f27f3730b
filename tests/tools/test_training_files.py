# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
import json

import av
from PIL import Image

from train_demo.training_files import write_training_clips, write_training_images
from train_demo.training_questions import describe_moment, make_training_questions
from transformers_mvgpt.demo.drawn_clip import make_clip
from transformers_mvgpt.demo.scene import make_still


def test_training_clips_are_in_the_form_of_the_release(tmp_path):
    assert list(write_training_clips(tmp_path, range(3, 6), max_turns=2)) == [1, 2, 3]
    records = json.loads((tmp_path / "clips.json").read_text("utf-8"))
    assert [record["video"] for record in records] == ["train-3.mp4", "train-4.mp4", "train-5.mp4"]
    for seed, record in zip(range(3, 6), records, strict=True):
        asked = make_training_questions(make_clip(seed).scene, seed, 2)
        turns = [(turn["from"], turn["value"]) for turn in record["conversations"]]
        assert turns[0] == ("human", f"<video>\n{asked[0].text}")
        assert [text for _, text in turns[1:]] == [t for q in asked for t in (q.text, q.answer)][1:]
        assert [name for name, _ in turns] == ["human", "gpt"] * len(asked)
        with av.open(str(tmp_path / record["video"])) as container:
            assert container.streams.video[0].frames == make_clip(seed).num_frames


def test_training_images_show_stills(tmp_path):
    assert list(write_training_images(tmp_path, range(4))) == [1, 2, 3, 4]
    records = json.loads((tmp_path / "images.json").read_text("utf-8"))
    for seed, record in enumerate(records):
        human, gpt = record["conversations"]
        assert human == {"from": "human", "value": "<image>\nWhat is in the image?"}
        assert gpt == {"from": "gpt", "value": describe_moment(make_still(seed), 0.0)}
        with Image.open(tmp_path / record["image"]) as image:
            assert image.width == image.height
