# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
import json

import torch
from safetensors.torch import load_file
from transformers import AutoModelForImageTextToText, AutoProcessor

from untrained_release import write_checkpoint


def test_layout_is_that_of_the_published_checkpoints(tmp_path):
    write_checkpoint(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text("utf-8"))
    assert config["model_type"] == "MobileVideoGPT_qwen"
    assert not (tmp_path / "processor_config.json").exists()
    names = set(load_file(tmp_path / "model.safetensors"))
    assert {
        "model.embed_tokens.weight",
        "model.mm_projector.mlp.mlp.0.weight",
        "model.image_mm_projector.peg.peg.0.bias",
        "model.vision_tower.vision_encoder.temporal_pos_embedding",
        "model.image_vision_tower.vision_tower.vision_model.embeddings.class_embedding",
    } <= names


def test_every_weight_is_loaded(tmp_path):
    write_checkpoint(tmp_path)
    _, loading = AutoModelForImageTextToText.from_pretrained(tmp_path, output_loading_info=True)
    assert {name: list(keys) for name, keys in loading.items()} == {name: [] for name in loading}


def test_rows_of_a_video_are_as_many_as_in_the_published_models(tmp_path):
    write_checkpoint(tmp_path)
    assert AutoProcessor.from_pretrained(tmp_path).num_video_tokens == 2402


def test_seed_draws_the_weights(tmp_path):
    before = torch.get_rng_state()
    for folder, seed in (("a", 0), ("b", 0), ("c", 1)):
        write_checkpoint(tmp_path / folder, seed=seed)
    assert torch.equal(torch.get_rng_state(), before)
    a, b, c = ((tmp_path / folder / "model.safetensors").read_bytes() for folder in "abc")
    assert a == b
    assert a != c


def test_text_survives_the_tokenizer(tmp_path):
    write_checkpoint(tmp_path)
    tokenizer = AutoProcessor.from_pretrained(tmp_path).tokenizer
    assert (
        tokenizer.decode(tokenizer("Où est-il? 在哪里 <|video_pad|>").input_ids) == "Où est-il? 在哪里 <|video_pad|>"
    )


def test_answers_are_short(tmp_path):
    write_checkpoint(tmp_path)
    assert AutoModelForImageTextToText.from_pretrained(tmp_path).generation_config.max_new_tokens == 20
