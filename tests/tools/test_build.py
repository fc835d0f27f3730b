# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The small model's training in the smallest."""

import json
import statistics

import pytest
import torch
from transformers import pipeline

from train_demo.build import PARTS, STAGES, Effort, train_small_model
from train_demo.encoder_training import train_encoders
from train_demo.language_training import DrawnChats, train_language_model
from train_demo.patch_labels import FRAME_SIZES
from train_demo.side_by_side import SideBySideCollator
from train_demo.small_model import make_config, make_processor
from train_demo.training_questions import make_practice_questions, make_training_questions
from transformers_mvgpt import MobileVideoGPTForConditionalGeneration
from transformers_mvgpt.demo.questions import QUESTION_TYPES
from transformers_mvgpt.demo.scene import make_busy_scene, make_still


@pytest.fixture(scope="module")
def processor():
    return make_processor()


@pytest.fixture
def model(processor):
    return MobileVideoGPTForConditionalGeneration(make_config(processor.tokenizer))


def moved(before, model):
    """The parts of which a weight is another now."""
    changed = [name for name, tensor in model.state_dict().items() if not torch.equal(before[name], tensor)]
    return {name.split(".")[1] if name.startswith("model.") else name.split(".")[0] for name in changed}


def test_encoders_learn_and_nothing_else(model):
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    records = list(train_encoders(model.model, 12, batch_size=4, num_workers=0))
    assert moved(before, model) == {"vision_tower", "video_tower"}
    assert [record["step"] for record in records] == list(range(1, 13))
    assert records[-1]["loss"] < 0.9 * records[0]["loss"]


def test_language_model_and_projectors_learn_and_nothing_else(model, processor):
    trainable = [parameter.requires_grad for parameter in model.parameters()]
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    records = list(train_language_model(model, processor, 10, 2, batch_size=4, num_workers=0))
    assert moved(before, model) == {"language_model", "lm_head", "image_projector", "video_projector"}
    assert [record["step"] for record in records] == list(range(1, 13))
    assert records[9]["loss"] < 0.7 * records[0]["loss"]
    assert [parameter.requires_grad for parameter in model.parameters()] == trainable


def texts(chats):
    return [(question["content"][1]["text"], answer["content"][0]["text"]) for question, answer in chats]


def test_pictures_come_before_clips():
    drawn = DrawnChats(7, num_stills=2, num_clips=2, num_frames=16)
    assert len(drawn) == 4
    samples = [drawn[index]["chats"] for index in range(len(drawn))]
    visuals = [[chat[0]["content"][0] for chat in chats] for chats in samples]
    assert [{visual["type"] for visual in some} for some in visuals] == [{"image"}, {"image"}, {"video"}, {"video"}]
    scene = make_still(7)
    asked = make_practice_questions(scene, 7) + make_training_questions(scene, 7, 20, about="picture")
    assert set(texts(samples[0])) <= {(q.text, q.answer) for q in asked}
    scene = make_busy_scene(10)
    asked = make_practice_questions(scene, 10) + make_training_questions(scene, 10, 20, about="events")
    assert set(texts(samples[3])) <= {(q.text, q.answer) for q in asked}
    assert {(q["role"], a["role"]) for chats in samples for q, a in chats} == {("user", "assistant")}
    assert all(visual is some[0] for some in visuals for visual in some)
    assert visuals[0][0]["image"].size in FRAME_SIZES
    frames = visuals[3][0]["video"]
    assert frames.shape[0] == 16
    assert frames.shape[2:0:-1] in FRAME_SIZES


def test_sequences_are_of_like_length_and_hold_a_description(processor):
    chats = [sample["chats"] for sample in map(DrawnChats(0, 0, 60, num_frames=1).__getitem__, range(60))]
    assert all(answer.count(".") >= 1 for _, answer in (texts(some)[0] for some in chats))
    assert {texts(some)[0][0] for some in chats} == {"Describe the video.", "What happens in the video?"}
    assert all(len(set(texts(some))) == len(some) for some in chats)
    assert len({texts(some)[1] for some in chats}) > 30
    collate = SideBySideCollator(processor)
    lengths = [collate([{"chats": some}])["input_ids"].shape[1] for some in chats]
    assert max(lengths) < 1.15 * statistics.median(lengths)


def test_whole_training_in_the_smallest(tmp_path):
    effort = Effort(
        num_clips=4,
        num_images=4,
        encoder_steps=1,
        still_steps=1,
        clip_steps=1,
        num_questions=9,
        overrides=("batch_size=4", "num_epochs=1", "num_workers=0", "max_length=900"),
    )
    steps = []
    scores = train_small_model(
        tmp_path / "model", tmp_path / "work", effort, lambda step, done, total, figures: steps.append(step)
    )
    assert set(steps) == {
        *("Clips", "Pictures", "Test clips", "encoders", "language_model"),
        *("video_projector", "image_projector", "instruction", "Test", "Test with shuffled frames"),
    }
    assert set(scores["scores"]) == {"model", "shuffled_frames", "guesser"}
    assert scores["machine"]["threads"] == torch.get_num_threads()
    assert scores["machine"]["torch"] == torch.__version__
    assert scores["seconds"].keys() == {"clips", *PARTS, *STAGES, "test"}
    assert scores["scores"]["guesser"].keys() == {*QUESTION_TYPES, "all"}
    assert json.loads((tmp_path / "model" / "scores.json").read_text("utf-8")) == json.loads(json.dumps(scores))
    log = [json.loads(line) for line in (tmp_path / "model" / "training.jsonl").read_text("utf-8").splitlines()]
    assert {"encoders", "language_model", "video_projector", "instruction"} <= {record["stage"] for record in log}
    assert pipeline("video-text-to-text", model=str(tmp_path / "model"), device="cpu") is not None

    # what is finished is not done again
    clip = tmp_path / "work" / "clips" / "train-0.mp4"
    clip.unlink()
    steps.clear()
    again = train_small_model(tmp_path / "again", tmp_path / "work", effort, lambda step, *_: steps.append(step))
    assert set(steps) == {"Test", "Test with shuffled frames"}
    assert again["scores"] == scores["scores"]
