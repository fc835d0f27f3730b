# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The language model's cache goes by the name that it has in the installed transformers, and by the older one."""

import inspect

import pytest
import torch
from transformers import DynamicCache, LlavaOnevisionForConditionalGeneration, LlavaOnevisionModel

from tiny_models import make_prompt, make_sample, tiny_model
from transformers_mvgpt import MobileVideoGPTForConditionalGeneration, MobileVideoGPTModel
from transformers_mvgpt.compat.cache_name import CACHE_NAME, NEW_NAME, OLD_NAME


CACHE_NAMES = {NEW_NAME, OLD_NAME}
needs_new_name = pytest.mark.skipif(CACHE_NAME == OLD_NAME, reason="this transformers has the old name only")


@pytest.fixture(scope="module")
def model():
    return tiny_model()


@pytest.mark.parametrize(
    ("ours", "native"),
    [
        (MobileVideoGPTModel, LlavaOnevisionModel),
        (MobileVideoGPTForConditionalGeneration, LlavaOnevisionForConditionalGeneration),
    ],
)
def test_arguments_have_the_name_of_native_models(ours, native):
    ours, native = (inspect.signature(each.forward).parameters for each in (ours, native))
    assert CACHE_NAMES & set(ours) == CACHE_NAMES & set(native) == {CACHE_NAME}


def test_outputs_have_the_name_of_native_models(model):
    sample = make_sample(5, "video:a", 6)
    assert CACHE_NAMES & set(model(**sample).keys()) == {CACHE_NAME}
    assert CACHE_NAMES & set(model.model(**sample).keys()) == {CACHE_NAME}


def read_in_two_steps(model, name):
    cache = DynamicCache(config=model.config.text_config)
    model(**make_sample(5, "video:a", 6), **{name: cache})
    return model(make_prompt(7, 8), **{name: cache}).logits


def test_name_of_the_installed_transformers(model):
    expected = model(**make_sample(5, "video:a", 6, 7, 8), logits_to_keep=2).logits
    torch.testing.assert_close(read_in_two_steps(model, CACHE_NAME), expected)


@needs_new_name
def test_old_name_is_deprecated(model):
    with pytest.warns(FutureWarning, match="`past_key_values` is deprecated .* for `MobileVideoGPTFor.*Use `cache`"):
        logits = read_in_two_steps(model, OLD_NAME)
    assert torch.equal(logits, read_in_two_steps(model, NEW_NAME))


@needs_new_name
def test_old_name_is_deprecated_in_generate(model):
    sample = make_sample(5, "video:a", 6)
    first = model.generate(**sample, max_new_tokens=4, return_dict_in_generate=True)
    sample["input_ids"] = torch.cat([first.sequences, make_prompt(7, 8)], dim=1)
    expected = model.generate(**sample, max_new_tokens=4)
    with pytest.warns(FutureWarning, match="`past_key_values` is deprecated .*Use `cache`"):
        generated = model.generate(**sample, past_key_values=first.cache, max_new_tokens=4)
    assert torch.equal(generated, expected)
