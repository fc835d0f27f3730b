# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""OpenAI's options of sampling, as `generate` has them."""

import torch
from transformers import GenerationConfig

from transformers_mvgpt.server.request_schema import ChatRequest
from transformers_mvgpt.server.sampling import RepetitionPenalties, sampling_options, seeded


def options(config=None, **fields):
    return sampling_options(ChatRequest([], [], **fields), 3, config or GenerationConfig())


def test_what_is_left_out_is_left_to_the_model():
    assert options() == options(top_p=1.0) == {"num_beams": 1}


def test_temperature():
    assert options(temperature=0.0, top_p=0.5) == {"num_beams": 1, "do_sample": False}
    # the division by it would overflow
    for lowest in (5e-324, 1e-38, 9e-6):
        assert options(temperature=lowest) == {"num_beams": 1, "do_sample": False}
    assert options(temperature=1e-5)["do_sample"]
    assert options(temperature=0.7) == {
        "num_beams": 1,
        "do_sample": True,
        "temperature": 0.7,
        "top_p": 1.0,
        "top_k": 0,
    }
    assert options(GenerationConfig(top_k=20), top_p=0.5) == {
        "num_beams": 1,
        "do_sample": True,
        "temperature": 1.0,
        "top_p": 0.5,
        "top_k": 20,
    }


def test_penalties_count_tokens_of_the_answer():
    ids = torch.tensor([[5, 5, 5, 2, 2, 1]])
    scores = RepetitionPenalties(3, frequency=0.5, presence=1.0)(ids, torch.zeros(1, 6))
    assert scores.tolist() == [[0.0, -1.5, -2.0, 0.0, 0.0, 0.0]]
    [penalties] = options(presence_penalty=0.5)["logits_processor"]
    assert (penalties.prompt_length, penalties.presence) == (3, 0.5)


def test_a_seed_leaves_the_random_numbers_of_others():
    torch.manual_seed(1)
    expected = torch.rand(2)
    torch.manual_seed(1)
    with seeded(7, torch.device("cpu")):
        first = torch.rand(1)
    with seeded(7, torch.device("cpu")):
        assert torch.rand(1) == first
    with seeded(None, torch.device("cpu")):
        assert torch.equal(torch.rand(2), expected)
