# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The positions whose logits are kept, in the words that every supported transformers knows."""

import pytest
import torch

from transformers_mvgpt.compat.kept_logits import slice_logits_to_keep


B, L = 2, 5
CASES = {
    "all": (0, [[0, 1, 2, 3, 4]] * B),
    "the last two": (2, [[3, 4]] * B),
    "positions": (torch.tensor([1, 4]), [[1, 4]] * B),
    "positions of each prompt": (torch.tensor([[0, 2], [4, 1]]), [[0, 2], [4, 1]]),
}


@pytest.mark.parametrize("kept, positions", CASES.values(), ids=CASES.keys())
def test_positions(kept, positions):
    states = torch.randn(B, L, 3)
    wanted = torch.stack([states[row, chosen] for row, chosen in enumerate(positions)])
    assert torch.equal(slice_logits_to_keep(states, kept), wanted)


def test_a_mask_keeps_as_many_of_each_prompt_as_it_says():
    states = torch.randn(B, L, 3)
    mask = torch.tensor([[True, False, False, False, True], [False, False, True, False, False]])
    wanted = torch.stack([states[0, 0], states[0, 4], states[1, 2]])
    assert torch.equal(slice_logits_to_keep(states, mask), wanted)
