# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Any value in any field of a config.json: a config whose model can be made, or one line that names the field."""

import json
from dataclasses import fields

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tiny_models import tiny_config
from transformers_mvgpt import MobileVideoGPTConfig, MobileVideoGPTForConditionalGeneration


WHOLE = json.loads(tiny_config().to_json_string(use_diff=False))
SUB_CONFIGS = ("vision_config", "video_config", "text_config")
# what transformers writes for itself: it neither changes the model nor is it ours to check
FOREIGN = {
    "architectures",
    "transformers_version",
    "auto_map",
    "_name_or_path",
    "id2label",
    "label2id",
    "problem_type",
}
PLACES = [(name,) for name in WHOLE if name not in FOREIGN]
PLACES += [(sub, name) for sub in SUB_CONFIGS for name in WHOLE[sub] if name not in FOREIGN]

values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 50),
    st.sampled_from([0, -1, 10**8, 10**12, 2**63, 1e300, float("nan"), float("inf"), -0.5, 0.5]),
    st.text(max_size=8),
    st.sampled_from(["gelu", "silu", "qwen2", "llama", "bert", "float32", "no such name", "x" * 100_000]),
    st.lists(st.integers(-2, 9), max_size=3),
    st.dictionaries(st.sampled_from(["model_type", "x"]), st.integers(-2, 9), max_size=2),
)


def changed(place: tuple[str, ...], value) -> dict:
    config = json.loads(json.dumps(WHOLE))
    inner = config
    for name in place[:-1]:
        inner = inner[name]
    inner[place[-1]] = value
    return config


@settings(max_examples=400)
@given(st.sampled_from(PLACES), values)
def test_any_value_gives_a_config_or_one_line_with_its_field(place, value):
    try:
        config = MobileVideoGPTConfig.from_dict(changed(place, value))
    except (ValueError, TypeError) as error:
        message = str(error)
        assert place[-1] in message or place[0] in message or place[-1].replace("_", " ") in message, message
        assert "\n" not in message and len(message) < 1000
        assert "StrictDataclass" not in message
        return
    # what is taken can be made, if it is not large: that depends on the weights, which are not here
    with torch.device("meta"):
        MobileVideoGPTForConditionalGeneration(config)


def test_all_fields_are_tried():
    assert {name for name, *inner in PLACES if not inner} >= {
        field.name for field in fields(MobileVideoGPTConfig)
    } & set(WHOLE) - FOREIGN
    assert len(PLACES) > 90


@pytest.mark.parametrize("sub", SUB_CONFIGS)
@given(st.one_of(st.integers(), st.text(max_size=5), st.lists(st.integers(), max_size=2)))
def test_a_part_must_be_an_object(sub, value):
    with pytest.raises((ValueError, TypeError), match=sub):
        MobileVideoGPTConfig.from_dict({**WHOLE, sub: value})
