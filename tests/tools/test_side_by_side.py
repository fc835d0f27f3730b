# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
import numpy as np
import pytest
import torch
from PIL import Image

from train_demo.side_by_side import SideBySideCollator
from train_demo.small_model import make_config, make_processor
from transformers_mvgpt import MobileVideoGPTForConditionalGeneration
from transformers_mvgpt.training import DataCollator


PAIRS = (("What colour is the circle?", "red"), ("How many objects are there?", "two"), ("Does it move?", "no"))


def chat(visual, pair):
    question = {"role": "user", "content": [visual, {"type": "text", "text": pair[0]}]}
    return [question, {"role": "assistant", "content": [{"type": "text", "text": pair[1]}]}]


def visuals(kind):
    pixels = np.random.default_rng(0).integers(0, 256, (2, 16, 48, 48, 3), dtype=np.uint8)
    if kind == "video":
        return [{"type": "video", "video": frames} for frames in pixels]
    return [{"type": "image", "image": Image.fromarray(frames[0])} for frames in pixels]


@pytest.mark.parametrize("kind", ["image", "video"])
def test_each_question_is_answered_as_if_alone(kind):
    """Loss and gradients are those of a batch in which each question has a row of its own."""
    torch.manual_seed(0)
    processor = make_processor()
    model = MobileVideoGPTForConditionalGeneration(make_config(processor.tokenizer)).eval()
    first, second = visuals(kind)
    chats = [[chat(first, pair) for pair in PAIRS], [chat(second, pair) for pair in PAIRS[:2]]]
    together = SideBySideCollator(processor)([{"chats": some} for some in chats])
    apart = DataCollator(processor)([{"messages": one} for some in chats for one in some])
    assert together["input_ids"].shape[0] == 2
    gradients = []
    for batch in (together, apart):
        model.zero_grad()
        loss = model(**batch).loss
        loss.backward()
        gradients.append([parameter.grad for parameter in model.parameters() if parameter.grad is not None])
        assert (batch["shift_labels"] >= 0).sum() == (apart["shift_labels"] >= 0).sum()
    assert len(gradients[0]) == len(gradients[1]) > 100
    torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-3, atol=1e-5)


def test_a_question_sees_no_other():
    processor = make_processor()
    [image, _] = visuals("image")
    batch = SideBySideCollator(processor)([{"chats": [chat(image, pair) for pair in PAIRS]}])
    positions, mask = batch["position_ids"][0], batch["attention_mask"][0, 0]
    starts = (positions[1:] < positions[:-1]).nonzero().flatten() + 1
    assert len(starts) == len(PAIRS) - 1
    shared = int(positions[starts[0]])
    assert mask[starts[0], :shared].all()
    assert not mask[starts[0] :, shared : starts[0]].any()
    assert mask.diagonal().all()


def test_what_is_said_of_one_visual_is_said_of_the_next_as_well():
    """Texts are tokenized once: a second batch with the same ones is as from a new collator, but for its pixels."""
    processor = make_processor()
    collator = SideBySideCollator(processor)
    first, second = visuals("video")
    collator([{"chats": [chat(first, pair) for pair in PAIRS]}])
    samples = [{"chats": [chat(second, pair) for pair in PAIRS[::-1]]}]
    again, fresh = collator(samples), SideBySideCollator(processor)(samples)
    assert again.keys() == fresh.keys()
    assert all(torch.equal(again[name], fresh[name]) for name in fresh)
