# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Which modules tools get as encoders and as decoder."""

import pytest
from torch import nn
from transformers import CLIPVisionModel, LlamaModel, Qwen2Model, SiglipVisionModel

from tiny_family_models import tiny_mobilevlm, tiny_tinyllava
from tiny_models import tiny_config
from transformers_mvgpt import VideoMambaModel
from transformers_mvgpt.families import FAMILIES


CONFIGS = {
    "Mobile-VideoGPT": tiny_config,
    "MobileVLM": lambda: tiny_mobilevlm("ldp").config,
    "TinyLLaVA-Video": lambda: tiny_tinyllava("group").config,
}
CLASSES = {
    "Mobile-VideoGPT": {"image": CLIPVisionModel, "video": VideoMambaModel, "decoder": Qwen2Model},
    "MobileVLM": {"image": CLIPVisionModel, "video": CLIPVisionModel, "decoder": LlamaModel},
    "TinyLLaVA-Video": {"image": SiglipVisionModel, "video": SiglipVisionModel, "decoder": Qwen2Model},
}


@pytest.fixture(params=FAMILIES, ids=lambda family: family.name)
def family(request):
    return request.param


@pytest.mark.parametrize("has_head", [False, True])
def test_parts(family, has_head):
    model = (family.model_class if has_head else family.base_model_class)(CONFIGS[family.name]())
    classes = CLASSES[family.name]
    for modality in ("image", "video"):
        assert type(model.get_encoder(modality=modality)) is classes[modality]
    assert type(model.get_decoder()) is classes["decoder"]
    with pytest.raises(ValueError, match="modality, has to be"):
        model.get_encoder(modality="smell")


@pytest.mark.parametrize("modality", ["image", "video"])
def test_what_is_set_is_got(family, modality):
    model = family.model_class(CONFIGS[family.name]())
    other, before = nn.Identity(), model.get_encoder("image")
    model.set_encoder(other, modality=modality)
    assert model.get_encoder(modality) is other
    if family.name == "Mobile-VideoGPT" and modality == "video":
        assert model.get_encoder("image") is before


def test_no_encoder_of_text(family):
    model = family.model_class(CONFIGS[family.name]())
    assert model.get_encoder() is model
