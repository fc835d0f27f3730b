# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""What transformers' exporters find of a model, and that `torch.export` takes it."""

import copy

import pytest
import torch
from torch.export import Dim
from transformers.exporters.utils import decompose_for_generation

from exported_samples import FAMILIES, model_and_sample
from tiny_models import make_images, make_sample, make_videos, tiny_config, tiny_model
from transformers_mvgpt.kernels import gates


@pytest.fixture(params=FAMILIES)
def family(request):
    return request.param


def test_parts_are_the_whole_model(family):
    model, sample = model_and_sample(family)
    pixels = {name for name in sample if name.startswith(("pixel", "context"))}
    parts = decompose_for_generation(model, sample)
    assert parts.keys() == {"embed_vision", "language_model", "lm_head", "decode"}
    embedding, inputs = parts["embed_vision"]
    assert inputs.keys() == pixels
    found = {name for part in ("embed_vision", "language_model", "lm_head") for name in weights_of(parts[part][0])}
    assert found == {*weights_of(model)}
    # without the language model's, which would be written twice
    assert not {*weights_of(embedding)} & {*weights_of(parts["language_model"][0])}
    assert not pixels & parts["decode"][1].keys()


def weights_of(module):
    return {id(parameter) for parameter in module.parameters()}


@torch.no_grad()
def test_visual_tokens_are_those_of_the_model(family):
    model, sample = model_and_sample(family)
    embedding, inputs = decompose_for_generation(model, sample)["embed_vision"]
    expected = model(**sample)
    found = embedding(**inputs)
    assert "video_hidden_states" in found or family == "MobileVLM"
    assert ("selected_frames" in found) == (family == "Mobile-VideoGPT")
    for name, value in found.items():
        assert torch.equal(value, expected[name])


def test_all_visuals_of_a_prompt_are_in_one_part():
    parts = decompose_for_generation(tiny_model(), make_sample(5, "video:a", "image:i", 6))
    assert parts["embed_vision"][1].keys() == {"pixel_values", "pixel_values_videos", "context_pixel_values_videos"}


def test_sample_inputs_without_a_visual_are_refused(family):
    model, sample = model_and_sample(family)
    with pytest.raises(RuntimeError, match="decompose_prefill_decode failed") as error:
        decompose_for_generation(model, {"input_ids": torch.tensor([[5, 6, 7]])})
    assert isinstance(error.value.__cause__, ValueError)
    assert "these have none of pixel_values" in str(error.value.__cause__)
    assert "the encoders would be left out. Give the inputs of a prompt with a visual" in str(error.value.__cause__)


@torch.no_grad()
def test_model_is_as_it_was_after_it(family):
    """Fast paths too: the exporters leave attributes behind."""
    model, sample = model_and_sample(family)
    expected = model.generate(**sample, max_new_tokens=4, do_sample=False)
    names = list(model.state_dict())
    decompose_for_generation(model, sample)
    assert list(model.state_dict()) == names
    assert all(map(gates.has_own_forward, model.modules()))
    assert gates.is_plain(model.model.language_model, type(model.model.language_model))
    assert torch.equal(model.generate(**sample, max_new_tokens=4, do_sample=False), expected)
    replaced = copy.copy(model.lm_head)
    replaced.forward = lambda x: x
    assert not gates.has_own_forward(replaced)


def test_embedding_follows_its_parts():
    model = tiny_model()
    embedding = model.model.embed_vision
    assert model.model.embed_vision is embedding
    copied = copy.deepcopy(model).model
    assert copied.embed_vision is not embedding
    assert copied.embed_vision.vision_tower is copied.vision_tower
    model.set_encoder(torch.nn.Identity(), modality="video")
    assert model.model.embed_vision is not embedding
    assert isinstance(model.model.embed_vision.video_tower, torch.nn.Identity)


class Features(torch.nn.Module):
    def __init__(self, model, modality):
        super().__init__()
        self.model, self.modality = model, modality

    def forward(self, *pixels):
        features = getattr(self.model, f"get_{self.modality}_features")(*pixels)
        return {name: features[name] for name in ("pooler_output", "selected_frames") if name in features}


@torch.no_grad()
@pytest.mark.parametrize("modality", ["image", "video"])
def test_features_export_for_any_number_of_visuals(modality):
    make = make_images if modality == "image" else make_videos
    two, three = tuple(make("a", "b").values()), tuple(make("a", "b", "c").values())
    features = Features(tiny_model(tiny_config(video_config={"num_hidden_layers": 1})).model, modality)
    shapes = (tuple({0: Dim.DYNAMIC} for _ in two),)
    exported = torch.export.export(features, two, dynamic_shapes=shapes).module()
    for pixels in (two, three):
        torch.testing.assert_close(exported(*pixels), features(*pixels), rtol=1e-5, atol=1e-5)
