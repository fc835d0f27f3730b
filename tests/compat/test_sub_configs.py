# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Nested configs are made of a config's defaults, whichever transformers is installed."""

import pytest
from transformers import CLIPVisionConfig, LlamaConfig, Qwen2Config

from transformers_mvgpt import MobileVideoGPTConfig, MobileVLMConfig
from transformers_mvgpt.compat.sub_configs import SubConfigSpec
from transformers_mvgpt.families import FAMILIES


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.config_class.model_type)
def test_what_is_left_out_is_the_published_model(family):
    config = family.config_class()
    for name, spec in family.config_class.sub_configs_defaults.items():
        nested = getattr(config, name)
        assert isinstance(spec, SubConfigSpec) and nested.model_type == spec.model_type
        assert {field: getattr(nested, field) for field in spec.init_kwargs} == spec.init_kwargs
    assert family.config_class.sub_configs.keys() == family.config_class.sub_configs_defaults.keys()


def test_a_dictionary_may_name_another_language_model():
    text = {"hidden_size": 32, "num_attention_heads": 2, "num_key_value_heads": 2}
    assert isinstance(MobileVLMConfig(text_config=text).text_config, LlamaConfig)
    given = {"model_type": "qwen2", **text}
    config = MobileVLMConfig(text_config=given)
    assert isinstance(config.text_config, Qwen2Config) and config.text_config.hidden_size == 32
    assert given["model_type"] == "qwen2"


def test_a_config_is_kept_as_it_is():
    vision = CLIPVisionConfig(image_size=28, patch_size=14)
    assert MobileVLMConfig(vision_config=vision, image_grid_size=1).vision_config is vision


def test_defaults_are_not_shared_between_configs():
    first = MobileVideoGPTConfig()
    first.text_config.hidden_size = 64
    assert MobileVideoGPTConfig().text_config.hidden_size == 896


def test_an_unknown_language_model_is_named():
    with pytest.raises(ValueError, match="no-such-model"):
        MobileVLMConfig(text_config={"model_type": "no-such-model"})


def test_a_nested_config_must_be_one():
    with pytest.raises(ValueError, match="text_config"):
        MobileVLMConfig(text_config=3)
