# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Answers in pieces are the same text as answers at once, and end before stop texts."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoProcessor

from tiny_trained import MOBILEVLM, TINYLLAVA
from transformers_mvgpt.chat.answer_text import AnswerText
from transformers_mvgpt.demo import CHECKPOINT


PROCESSORS = {
    "mobile_videogpt": AutoProcessor.from_pretrained(CHECKPOINT),
    "mobilevlm": AutoProcessor.from_pretrained(MOBILEVLM),
    "tinyllava": AutoProcessor.from_pretrained(TINYLLAVA),
}
every_family = pytest.mark.parametrize("processor", PROCESSORS.values(), ids=PROCESSORS)


def say(processor, ids, stop=()):
    """The pieces, as `generate` would make them until it stops."""
    pieces = []
    answer = AnswerText(processor, stop, pieces.append)
    answer.put(torch.tensor([[1, 2, 3]]))
    for number in ids:
        answer.put(torch.tensor([number]))
        if answer.is_stopped:
            break
    answer.end()
    assert "".join(pieces) == answer.text
    return answer, pieces


@every_family
@given(text=st.text(max_size=30))
def test_pieces_are_the_whole_text(processor, text):
    ids = processor.tokenizer(text, add_special_tokens=False)["input_ids"]
    answer, _ = say(processor, ids)
    [whole] = processor.decode_answers([ids], skip_special_tokens=True)
    assert (answer.text, answer.whole(), answer.token_ids) == (whole, whole, ids)


@every_family
@given(data=st.data())
def test_tokens_that_are_no_text(processor, data):
    ids = data.draw(st.lists(st.integers(0, len(processor.tokenizer) - 1), max_size=30))
    answer, _ = say(processor, ids)
    assert [answer.whole()] == processor.decode_answers([ids], skip_special_tokens=True)


TEXT = "The circle is blue and moves up. The cross is red."


@every_family
def test_pieces_come_token_by_token(processor):
    ids = processor.tokenizer(TEXT, add_special_tokens=False)["input_ids"]
    answer, pieces = say(processor, ids)
    assert answer.text.strip() == TEXT
    assert len(pieces) > 5


@every_family
@pytest.mark.parametrize(
    ("stop", "left"),
    [
        ((" up",), "The circle is blue and moves"),
        (("ve", "blue and"), "The circle is "),
        (("s up. The",), "The circle is blue and move"),
        (("nothing",), TEXT),
        (("red. And",), TEXT),
    ],
)
def test_stop_texts(processor, stop, left):
    ids = processor.tokenizer(TEXT, add_special_tokens=False)["input_ids"]
    answer, pieces = say(processor, ids, stop)
    assert answer.text.lstrip() == left
    assert answer.whole() == answer.text
    assert answer.is_stopped == (left != TEXT)
    if answer.is_stopped:
        assert len(answer.token_ids) < len(ids)


def test_half_a_character_waits():
    processor = PROCESSORS["mobile_videogpt"]
    ids = processor.tokenizer("\N{SNOWMAN}", add_special_tokens=False)["input_ids"]
    assert len(ids) > 1
    _, pieces = say(processor, ids)
    assert pieces == ["\N{SNOWMAN}"]
