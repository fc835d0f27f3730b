# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""What `generate` is given, where it does not fit together."""

from types import SimpleNamespace

import pytest
import torch

from transformers_mvgpt.compat.cache_name import CACHE_NAME
from transformers_mvgpt.modeling.generation_inputs import prepare_generation_inputs


CONFIG = SimpleNamespace(
    video_token_id=9,
    num_video_tokens=2,
    text_config=SimpleNamespace(max_position_embeddings=100, rope_parameters=None),
)
PIXEL_INPUTS = {"video": ("pixel_values_videos", "num_frames_per_video")}
PROMPT = torch.tensor([[1, 9, 9, 2, 9, 9, 3]])
CACHE = SimpleNamespace(get_seq_length=lambda: 4)
COUNTS = torch.tensor([2, 3])


@pytest.mark.parametrize("turn", [{}, {CACHE_NAME: CACHE}], ids=["first turn", "later turn"])
def test_numbers_of_frames_without_frames_are_no_videos(turn):
    _, check = prepare_generation_inputs(CONFIG, PIXEL_INPUTS, PROMPT, {"num_frames_per_video": COUNTS, **turn})
    with pytest.raises(
        ValueError, match=r"^The prompt has \d video placeholders, but the videos given make 0 visual tokens"
    ):
        check()


def test_numbers_of_frames_that_do_not_fit_are_left_for_the_model_to_refuse():
    given = {"pixel_values_videos": torch.arange(6), "num_frames_per_video": COUNTS}
    inputs, _ = prepare_generation_inputs(CONFIG, PIXEL_INPUTS, PROMPT, {**given, CACHE_NAME: CACHE})
    assert all(torch.equal(inputs[name], value) for name, value in given.items())
