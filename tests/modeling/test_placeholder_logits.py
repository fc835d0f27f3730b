# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Generation options that look up the tokens of a prompt, with placeholders outside of the vocabulary."""

from functools import partial
from typing import Any

import pytest
import torch
from transformers import (
    AutoModelForImageTextToText,
    EncoderNoRepeatNGramLogitsProcessor,
    EncoderRepetitionPenaltyLogitsProcessor,
    NoRepeatNGramLogitsProcessor,
    RepetitionPenaltyLogitsProcessor,
)

from tiny_families import write_mobilevlm
from transformers_mvgpt.modeling.placeholder_logits import tolerate_placeholders


FAR = 7  # ids between the vocabulary and the placeholder
PROMPT = [1, 20, 30, 40, 20, 30]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = write_mobilevlm(tmp_path_factory.mktemp("mobilevlm"))
    model = AutoModelForImageTextToText.from_pretrained(folder)
    model.config.image_token_id = model.config.text_config.vocab_size + FAR
    return model


def with_visual(model: Any) -> torch.Tensor:
    visual = [model.config.image_token_id] * model.config.num_image_tokens
    return torch.tensor([[*PROMPT[:2], *visual, *PROMPT[2:]]])


@pytest.mark.parametrize(
    "make",
    [
        lambda prompt: RepetitionPenaltyLogitsProcessor(1.5),
        lambda prompt: NoRepeatNGramLogitsProcessor(1),
        lambda prompt: EncoderRepetitionPenaltyLogitsProcessor(1.5, prompt),
        lambda prompt: EncoderNoRepeatNGramLogitsProcessor(1, prompt),
    ],
    ids="repetition ngrams encoder_repetition encoder_ngrams".split(),
)
def test_placeholders_have_no_scores(model, make):
    scores = torch.randn(1, model.config.text_config.vocab_size, generator=torch.Generator().manual_seed(0))
    with_placeholders, without = with_visual(model), torch.tensor([PROMPT])
    processor = tolerate_placeholders(make(with_placeholders), model.config)
    expected = make(without)(without, scores)
    assert not torch.equal(expected, scores)
    assert torch.equal(processor(with_placeholders, scores), expected)


@pytest.mark.parametrize(
    "options",
    [{"repetition_penalty": 1.5}, {"encoder_repetition_penalty": 1.5}, {"encoder_no_repeat_ngram_size": 2}],
    ids=str,
)
def test_options_of_generate(model, options):
    prompt = with_visual(model)
    ids = model.generate(prompt, pixel_values=torch.zeros(1, 3, 32, 32), max_new_tokens=5, **options)
    assert ids.shape[1] == prompt.shape[1] + 5


@pytest.mark.parametrize("num_tokens", [2, 10])
def test_drafts_end_in_front_of_a_visual(model, num_tokens):
    """The prompt ends as it does in front of the visual, which is what prompt lookup copies next."""
    visual = [model.config.image_token_id] * model.config.num_image_tokens
    ids = torch.tensor([[1, 20, 30, *visual, 40, 20, 30]])
    generate = partial(model.generate, ids, pixel_values=torch.zeros(1, 3, 32, 32), max_new_tokens=6)
    assert torch.equal(generate(prompt_lookup_num_tokens=num_tokens), generate())
