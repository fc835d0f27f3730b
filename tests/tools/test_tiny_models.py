# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The tiny models' training in the smallest."""

import json

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForImageTextToText

from train_demo.chat_training import strengthen
from train_demo.steps import LOG_FILE, SCORES_FILE
from train_tiny.build import TINY_MODELS, Effort, train_tiny_model
from train_tiny.chats import CLIP_TYPES
from train_tiny.encoder_training import (
    LabeledFrames,
    LabeledPictures,
    train_image_encoder,
    train_image_projector,
    train_resampler,
)
from train_tiny.still_questions import STILL_TYPES
from transformers_mvgpt.demo.scene import COLORS, SHAPES
from transformers_mvgpt.families import family_of


TYPES = {"mobilevlm": STILL_TYPES, "tinyllava": CLIP_TYPES}


@pytest.fixture(scope="module", params=list(TINY_MODELS))
def name(request):
    return request.param


@pytest.fixture(scope="module")
def processor(name):
    return TINY_MODELS[name].make_processor()


def make_model(name, processor):
    config = TINY_MODELS[name].make_config(processor.tokenizer)
    return family_of(config).model_class(config)


def learned(records, model):
    """The parts of which a weight is another after the training."""
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    losses = [record["loss"] for record in records]
    changed = [name for name, tensor in model.state_dict().items() if not torch.equal(before[name], tensor)]
    return {name.split(".")[1] for name in changed}, losses


def test_encoder_learns_and_nothing_else(name, processor):
    model = make_model(name, processor)
    dataset = LabeledPictures(processor, 48, 6, 0, 8 * 16)
    sample = dataset[0]
    assert sample["pixels"].shape == (3, 48, 48)
    assert sample["colors"].shape == sample["shapes"].shape == (36,)
    assert torch.equal(sample["colors"] > 0, sample["shapes"] > 0)
    parts, losses = learned(train_image_encoder(model.model, dataset, 8, num_workers=0), model)
    assert parts == {"vision_tower"}
    assert losses[-1] < 0.9 * losses[0]


def test_image_projector_learns_and_nothing_else():
    processor = TINY_MODELS["mobilevlm"].make_processor()
    model = make_model("mobilevlm", processor)
    strengthen(model.model.language_model)
    dataset = LabeledPictures(processor, 48, 6, 0, 80 * 8)
    records = train_image_projector(model.model, processor.tokenizer, dataset, 80, num_workers=0)
    parts, losses = learned(records, model)
    assert parts == {"image_projector"}
    assert sum(losses[-10:]) < 0.95 * sum(losses[:10])
    assert all(parameter.requires_grad for parameter in model.model.vision_tower.encoder.layers[0].parameters())


def test_resampler_learns_and_nothing_else():
    processor = TINY_MODELS["tinyllava"].make_processor()
    model = make_model("tinyllava", processor)
    strengthen(model.model.language_model)
    dataset = LabeledFrames(processor, 8, 0, 8 * 2)
    sample = dataset[0]
    assert sample["pixels"].shape == (8, 3, 48, 48)
    assert sample["colors"].shape == (8, len(SHAPES))
    assert sample["colors"].max() <= len(COLORS)
    assert torch.equal(sample["places"].sum(-1) > 0, sample["colors"] > 0)
    parts, losses = learned(train_resampler(model.model, processor.tokenizer, dataset, 8, num_workers=0), model)
    assert parts == {"video_projector"}
    assert losses[-1] < 0.8 * losses[0]
    assert all(parameter.requires_grad for parameter in model.model.vision_tower.encoder.layers[0].parameters())


@pytest.mark.slow
def test_whole_training_in_the_smallest(name, tmp_path):
    effort = Effort(
        num_visuals=4,
        encoder_steps=1,
        projector_steps=1,
        chat_steps=1,
        encoder_batch=2,
        projector_batch=2,
        chat_batch=2,
        num_questions=7,
        overrides=("batch_size=4", "num_workers=0"),
    )
    steps: list[str] = []

    def train(target):
        steps.clear()
        return train_tiny_model(name, target, tmp_path / "work", effort, lambda step, *_: steps.append(step))

    scores = train(tmp_path / "model")
    parts = ["encoder", "projector", "chat"]
    stages = list(TINY_MODELS[name].stages)
    assert list(dict.fromkeys(steps))[:-1] == ["files", "test files", *parts, *stages, "test"][: len({*steps}) - 1]
    assert list(scores["seconds"]) == ["files", "test files", *parts, *stages, "test"]
    assert scores["scores"]["guesser"].keys() == {*TYPES[name], "all"}
    assert ("shuffled_frames" in scores["scores"]) == (name == "tinyllava")
    assert json.loads((tmp_path / "model" / SCORES_FILE).read_text("utf-8")) == json.loads(json.dumps(scores))
    records = [json.loads(line) for line in (tmp_path / "model" / LOG_FILE).read_text("utf-8").splitlines()]
    assert {*parts, stages[-1]} <= {record["stage"] for record in records}
    weights = load_file(tmp_path / "model" / "model.safetensors")
    assert {tensor.dtype for tensor in weights.values()} == {torch.float16}
    assert AutoModelForImageTextToText.from_pretrained(tmp_path / "model").dtype == torch.float32

    # what is finished is not done again
    again = train(tmp_path / "again")
    assert set(steps) <= {"test", "test with shuffled frames"}
    assert again["scores"] == scores["scores"]
