# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Names of weights, in and out."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tiny_models import make_sample, tiny_config, tiny_model
from transformers_mvgpt import MobileVideoGPTForConditionalGeneration, MobileVideoGPTModel


LAYOUT = json.loads((Path(__file__).parents[1] / "data" / "small_layout.json").read_text())
MODEL_CLASSES = [MobileVideoGPTForConditionalGeneration, MobileVideoGPTModel]

with_and_without_head = pytest.mark.parametrize("model_class", MODEL_CLASSES, ids=["with head", "without head"])
tied_and_untied = pytest.mark.parametrize("is_tied", [True, False], ids=["tied", "untied"])


def make_model(model_class=MobileVideoGPTForConditionalGeneration, is_tied=False):
    """As many layers as the measured layout has."""
    config = tiny_config(video_config={"num_hidden_layers": 3}, text_config={"tie_word_embeddings": is_tied})
    model = tiny_model(config, model_class)
    model.tie_weights()
    return model


def published_names(model_class, is_tied):
    names = set(LAYOUT["state_dict"])
    if model_class is MobileVideoGPTModel:
        return {name.removeprefix("model.") for name in names - {"lm_head.weight"}}
    return names - {"lm_head.weight"} if is_tied else names


def own_names(model):
    names = set(model.state_dict())
    return names - {"lm_head.weight"} if model.config.tie_word_embeddings else names


def save(model, folder, **options):
    model.save_pretrained(folder, **options)
    return load_file(folder / "model.safetensors")


def load(model_class, folder):
    model, info = model_class.from_pretrained(folder, output_loading_info=True)
    assert not any(info.values()), info
    return model


def assert_same_weights(actual, expected):
    assert actual.keys() == expected.keys()
    for name, weight in expected.items():
        assert torch.equal(actual[name], weight), name


@with_and_without_head
@tied_and_untied
def test_fresh_model_saves_published_names(model_class, is_tied, tmp_path):
    weights = save(make_model(model_class, is_tied), tmp_path)
    assert weights.keys() == published_names(model_class, is_tied)


@with_and_without_head
@tied_and_untied
def test_fresh_model_saves_own_names_if_asked(model_class, is_tied, tmp_path):
    model = make_model(model_class, is_tied)
    weights = save(model, tmp_path, save_original_format=False)
    assert weights.keys() == own_names(model)
    assert_same_weights(weights, {name: model.state_dict()[name] for name in own_names(model)})


@with_and_without_head
@tied_and_untied
@pytest.mark.parametrize("save_original_format", [True, False], ids=["published names", "own names"])
def test_loaded_model_saves_the_names_it_had(model_class, is_tied, save_original_format, tmp_path):
    model = make_model(model_class, is_tied)
    weights = save(model, tmp_path / "1", save_original_format=save_original_format)
    loaded = load(model_class, tmp_path / "1")
    assert_same_weights(loaded.state_dict(), model.state_dict())
    again = save(loaded, tmp_path / "2")
    assert_same_weights(again, weights)
    assert_same_weights(save(load(model_class, tmp_path / "2"), tmp_path / "3"), weights)


@with_and_without_head
@tied_and_untied
def test_published_names_become_own_names_without_loss(model_class, is_tied, tmp_path):
    model = make_model(model_class, is_tied)
    save(model, tmp_path / "published")
    loaded = load(model_class, tmp_path / "published")
    weights = save(loaded, tmp_path / "own", save_original_format=False)
    assert_same_weights(weights, {name: model.state_dict()[name] for name in own_names(model)})
    assert_same_weights(load(model_class, tmp_path / "own").state_dict(), model.state_dict())


@pytest.mark.parametrize("save_original_format", [True, False], ids=["published names", "own names"])
def test_model_without_head_loads_from_one_with_head(save_original_format, tmp_path):
    model = make_model()
    save(model, tmp_path, save_original_format=save_original_format)
    loaded, info = MobileVideoGPTModel.from_pretrained(tmp_path, output_loading_info=True)
    assert info["missing_keys"] == set()
    assert info["unexpected_keys"] == {"lm_head.weight"}
    assert_same_weights(loaded.state_dict(), model.model.state_dict())


@pytest.mark.parametrize("save_original_format", [True, False], ids=["published names", "own names"])
def test_model_with_tied_head_loads_from_one_without_head(save_original_format, tmp_path):
    model = make_model(MobileVideoGPTModel, is_tied=True)
    save(model, tmp_path, save_original_format=save_original_format)
    loaded = load(MobileVideoGPTForConditionalGeneration, tmp_path)
    assert_same_weights(loaded.model.state_dict(), model.state_dict())
    assert loaded.lm_head.weight is loaded.get_input_embeddings().weight


@tied_and_untied
def test_embeddings_are_tied_as_configured(is_tied, tmp_path):
    save(make_model(is_tied=is_tied), tmp_path)
    model = load(MobileVideoGPTForConditionalGeneration, tmp_path)
    assert (model.lm_head.weight is model.get_input_embeddings().weight) == is_tied
    assert model.get_input_embeddings() is model.model.language_model.embed_tokens


@tied_and_untied
def test_vocabulary_can_grow(is_tied):
    model = make_model(is_tied=is_tied)
    sample = make_sample(5, "video:a", 6)
    expected = model(**sample).logits
    model.resize_token_embeddings(120)
    assert model.config.text_config.vocab_size == 120
    assert (model.lm_head.weight is model.get_input_embeddings().weight) == is_tied
    assert torch.equal(model(**sample).logits[..., :99], expected)


def test_shards(tmp_path):
    model = make_model()
    model.save_pretrained(tmp_path, max_shard_size="100KB")
    assert len(list(tmp_path.glob("*.safetensors"))) > 2
    loaded = load(MobileVideoGPTForConditionalGeneration, tmp_path)
    assert_same_weights(loaded.state_dict(), model.state_dict())
