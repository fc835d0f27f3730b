# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Tokens are chosen as by transformers' `generate`."""

import re

import numpy as np
import pytest
import torch
from transformers import (
    LogitsProcessorList,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from transformers_mvgpt.runtime.token_choice import GenerationSettings, TokenChoice, warp_logits


NO_EOS = {"eos_token_id": None}
PROMPT = [3, 5, 5, 900]


@pytest.mark.parametrize("penalty", [1.0, 1.3])
@pytest.mark.parametrize("temperature", [1.0, 0.6])
@pytest.mark.parametrize("top_k", [0, 20])
@pytest.mark.parametrize("top_p", [1.0, 0.8, 0.01])
def test_logits_are_warped_as_by_transformers(penalty, temperature, top_k, top_p):
    logits = torch.randn(4, 300, generator=torch.Generator().manual_seed(0)) * 3
    steps = LogitsProcessorList()
    if penalty != 1:
        steps.append(RepetitionPenaltyLogitsProcessor(penalty))
    if temperature != 1:
        steps.append(TemperatureLogitsWarper(temperature))
    if top_k:
        steps.append(TopKLogitsWarper(top_k))
    if top_p < 1:
        steps.append(TopPLogitsWarper(top_p))
    expected = steps(torch.tensor([PROMPT[:3]] * 4), logits)
    settings = GenerationSettings(
        frozenset(), True, temperature=temperature, top_k=top_k, top_p=top_p, repetition_penalty=penalty
    )
    # the last token of the prompt is a placeholder out of the vocabulary
    warped = np.stack([warp_logits(row.numpy(), settings, set(PROMPT)) for row in logits])
    np.testing.assert_array_equal(np.isfinite(warped), expected.isfinite().numpy())
    np.testing.assert_allclose(warped, expected.numpy(), rtol=1e-6)


def test_drawn_as_often_as_likely():
    logits = np.log(np.array([0.5, 0.3, 0.2, 1e-30], dtype=np.float32))
    settings = GenerationSettings.from_config({"do_sample": True, "top_k": 0}, "file")
    choice = TokenChoice(settings, PROMPT, seed=0)
    drawn = np.bincount([choice(logits) for _ in range(4000)], minlength=4) / 4000
    np.testing.assert_allclose(drawn, [0.5, 0.3, 0.2, 0], atol=0.03)


def test_seed_and_greedy():
    logits = np.random.default_rng(0).normal(size=100).astype(np.float32)
    settings = GenerationSettings.from_config({}, "file")
    assert TokenChoice(settings, PROMPT)(logits) == logits.argmax()
    drawing = settings.with_options(temperature=2.0, top_p=None)
    one, same, other = ([TokenChoice(drawing, PROMPT, seed)(logits) for _ in range(1)] for seed in (1, 1, 2))
    assert drawing.do_sample and one == same != other
    assert settings.with_options(None, 0.5).do_sample
    sampled = GenerationSettings.from_config({"do_sample": True, "temperature": 0.7}, "file")
    assert sampled.with_options(None, None).temperature == 0.7
    assert not sampled.with_options(0, None).do_sample


def test_the_penalty_counts_what_was_answered():
    settings = GenerationSettings.from_config({"repetition_penalty": 2.0}, "file")
    choice = TokenChoice(settings, PROMPT)
    logits = np.array([1.0, 0.9, 0.8], dtype=np.float32)
    assert [choice(logits) for _ in range(4)] == [0, 1, 2, 0]


def test_qwens_own_config():
    config = {
        "bos_token_id": 151643,
        "do_sample": True,
        "eos_token_id": [151645, 151643],
        "pad_token_id": 151643,
        "repetition_penalty": 1.1,
        "temperature": 0.7,
        "top_k": 20,
        "top_p": 0.8,
        "transformers_version": "4.37.0",
    }
    settings = GenerationSettings.from_config(config, "generation_config.json")
    assert settings == GenerationSettings(frozenset({151645, 151643}), True, 0.7, 20, 0.8, 1.1)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"num_beams": 4}, "has `num_beams` (4), which is not supported here: remove it, or answer with PyTorch"),
        ({"no_repeat_ngram_size": 3}, "has `no_repeat_ngram_size` (3), which is not supported here"),
        ({"temperature": "hot"}, "has `temperature` ('hot'), which must be a number of at least 0: correct it"),
        ({"top_k": 2.5}, "has `top_k` (2.5), which must be a number of at least 0"),
        ({"eos_token_id": "</s>"}, "has `eos_token_id` ('</s>'), which must be whole numbers"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_is_not_supported_is_named(config, message):
    with pytest.raises(ValueError, match=re.escape(f"folder/generation_config.json {message}")):
        GenerationSettings.from_config(config, "folder/generation_config.json")


def test_options_out_of_range():
    settings = GenerationSettings.from_config({}, "file")
    with pytest.raises(ValueError, match=r"`temperature` \(-1\) must be a number, at least 0"):
        settings.with_options(-1, None)
    with pytest.raises(ValueError, match=r"`top_p` \(1.5\) must be a number, from 0 to 1"):
        settings.with_options(None, 1.5)


def test_logits_that_are_no_numbers():
    choice = TokenChoice(GenerationSettings.from_config({}, "file"), PROMPT)
    with pytest.raises(
        FloatingPointError, match="The logits are NaN or infinite.* Use another precision, such as fp32"
    ):
        choice(np.array([0.0, np.nan], dtype=np.float32))
