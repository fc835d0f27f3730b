# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Foreign trainers ask any config for its remote code, and then load the model by the class of its kind."""

import copy
import json

import pytest
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForImageTextToText

from tiny_family_models import tiny_mobilevlm, tiny_tinyllava
from tiny_models import tiny_config
from transformers_mvgpt.families import family_of


CONFIGS = {
    "mobile_videogpt": tiny_config,
    "mobilevlm": lambda: tiny_mobilevlm().config,
    "tinyllava_video": lambda: tiny_tinyllava().config,
}


@pytest.fixture(params=CONFIGS.values(), ids=CONFIGS)
def config(request):
    return request.param()


def test_config_without_remote_code(config, tmp_path):
    assert config.auto_map == {}
    assert config == copy.deepcopy(config)
    for given in (config, type(config).from_dict({**config.to_dict(), "auto_map": None})):
        given.save_pretrained(tmp_path)
        assert "auto_map" not in json.loads((tmp_path / "config.json").read_text())
        assert "auto_map" not in given.to_dict()
    loaded = AutoConfig.from_pretrained(tmp_path)
    assert loaded.auto_map == {}
    loaded.auto_map["AutoConfig"] = "some_code.Config"  # as transformers does where a class is registered for saving
    assert type(config)().auto_map == config.auto_map == {}


def test_model_is_found_as_a_causal_language_model(config, tmp_path):
    expected = family_of(config).model_class
    AutoModelForImageTextToText.from_config(config).save_pretrained(tmp_path)
    assert type(AutoModelForCausalLM.from_pretrained(tmp_path)) is expected
