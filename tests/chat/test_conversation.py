# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Turns of a conversation: what is kept of earlier ones changes no answer, and answers can be stopped."""

import copy
import itertools
import threading

import pytest
import torch
from transformers import AutoModelForImageTextToText, AutoProcessor

from tiny_trained import MOBILEVLM, TINYLLAVA, write_drawn_clip
from transformers_mvgpt import VideoChat
from transformers_mvgpt.chat import ContextFullError, Conversation
from transformers_mvgpt.demo import CHECKPOINT, CLIP


QUESTIONS = ["What colour is the circle?", "What shape is it?", "Describe the video.", "Does it move up or down?"]
LENGTH = {"max_new_tokens": 12}
FOLDERS = {"mobile_videogpt": CHECKPOINT, "mobilevlm": MOBILEVLM, "tinyllava": TINYLLAVA}


@pytest.fixture(scope="module", params=FOLDERS)
def trained(request, tmp_path_factory):
    folder = FOLDERS[request.param]
    model, processor = AutoModelForImageTextToText.from_pretrained(folder), AutoProcessor.from_pretrained(folder)
    visual = CLIP
    if request.param == "tinyllava":
        visual = write_drawn_clip(tmp_path_factory.mktemp("clip") / "clip.mp4")
    elif request.param == "mobilevlm":
        visual = torch.randint(256, (3, 60, 80), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return VideoChat(model, processor, visual)


@pytest.fixture
def conversation(model, processor, encoded):
    return Conversation(VideoChat(model, processor, encoded))


def ask(conversation, question, **options):
    return "".join(conversation.stream(question, **{**LENGTH, **options}))


def record_prefills(monkeypatch, model):
    """The numbers of tokens of what goes through the language model at once."""
    lengths = []
    forward = model.model.language_model.forward
    monkeypatch.setattr(
        model.model.language_model,
        "forward",
        lambda *args, **kwargs: lengths.append(kwargs["inputs_embeds"].shape[1]) or forward(*args, **kwargs),
    )
    return lengths


def test_answers_are_those_without_anything_kept(trained):
    conversation, messages = Conversation(trained), []
    for question in QUESTIONS:
        messages.append({"role": "user", "content": question})
        expected = trained.ask(messages, **LENGTH)
        assert ask(conversation, question) == expected
        messages.append({"role": "assistant", "content": expected})
    assert conversation.messages == messages
    assert conversation.num_turns == len(QUESTIONS)


def test_a_later_turn_has_a_prefill_of_what_is_new(model, processor, encoded, monkeypatch):
    chat = VideoChat(model, processor, encoded)
    conversation = Conversation(chat, system_prompt="Be brief.")
    answers = [ask(conversation, QUESTIONS[0], min_new_tokens=12)]
    lengths = record_prefills(monkeypatch, model)
    # random tokens: their text may be tokenized otherwise, but not in front of the answer
    new = chat.num_prompt_tokens([*conversation.messages, {"role": "user", "content": QUESTIONS[1]}])
    before = chat.num_prompt_tokens(conversation.messages[:2])
    answers.append(ask(conversation, QUESTIONS[1]))
    assert 1 < lengths[0] <= new - before
    assert conversation.messages == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": QUESTIONS[0]},
        {"role": "assistant", "content": answers[0]},
        {"role": "user", "content": QUESTIONS[1]},
        {"role": "assistant", "content": answers[1]},
    ]


def test_the_prefill_does_not_grow(monkeypatch):
    model, processor = (kind.from_pretrained(CHECKPOINT) for kind in (AutoModelForImageTextToText, AutoProcessor))
    conversation = Conversation(VideoChat(model, processor, CLIP))
    lengths = record_prefills(monkeypatch, model)
    for _ in range(4):
        ask(conversation, QUESTIONS[0])
    prefills = [length for length in lengths if length > 1]
    # the video, the first question, and the later ones
    assert prefills[0] > processor.num_video_tokens
    assert len(prefills) == 5 and len(set(prefills[2:])) == 1 and prefills[2] < 25
    kept = conversation.num_cached_bytes
    conversation.reset()
    assert conversation.num_cached_bytes < kept and conversation.messages == []


@pytest.mark.parametrize(
    "options", [{"do_sample": True, "temperature": 3.0}, {"prompt_lookup_num_tokens": 3}], ids=str
)
def test_options_of_generate(model, processor, encoded, options):
    chat = VideoChat(model, processor, encoded)
    conversation = Conversation(chat)
    for seed, question in enumerate(QUESTIONS):
        messages = [*conversation.messages, {"role": "user", "content": question}]
        torch.manual_seed(seed)
        expected = chat.ask(messages, **LENGTH, **options)
        torch.manual_seed(seed)
        assert ask(conversation, question, **options) == expected


def test_pieces_come_while_the_answer_is_made(conversation):
    may_go_on, calls = threading.Event(), itertools.count(1)
    # it is asked after each token, and waits for the first piece to be read
    stream = conversation.stream(
        QUESTIONS[0], is_cancelled=lambda: next(calls) == 8 and not may_go_on.wait(20), min_new_tokens=12, **LENGTH
    )
    pieces = [next(stream)]
    may_go_on.set()
    pieces += stream
    assert len(pieces) > 1
    assert conversation.messages[-1]["content"] == "".join(pieces)
    assert conversation.finish_reason == "length"


def test_a_cancelled_answer_stays_as_far_as_it_came(conversation, model, processor, encoded):
    whole = VideoChat(model, processor, encoded).ask(QUESTIONS[0], min_new_tokens=12, **LENGTH)
    calls = itertools.count(1)
    answer = ask(conversation, QUESTIONS[0], min_new_tokens=12, is_cancelled=lambda: next(calls) == 4)
    assert conversation.finish_reason == "cancelled"
    assert whole.startswith(answer) and len(answer) < len(whole)
    messages = conversation.messages
    assert [message["content"] for message in messages] == [QUESTIONS[0], answer]
    # and the next question goes on from there
    messages.append({"role": "user", "content": QUESTIONS[1]})
    assert ask(conversation, QUESTIONS[1]) == VideoChat(model, processor, encoded).ask(messages, **LENGTH)


def test_a_reader_that_goes_away_stops_the_model(conversation):
    stream = conversation.stream(QUESTIONS[0], min_new_tokens=500, max_new_tokens=500)
    piece = next(stream)
    with pytest.raises(RuntimeError, match="An answer is still being made: read it to its end, or close it"):
        conversation.stream(QUESTIONS[1])
    with pytest.raises(RuntimeError, match="An answer is still being made"):
        conversation.reset()
    stream.close()
    assert not any(thread.name == "answer" for thread in threading.enumerate())
    assert conversation.finish_reason == "cancelled"
    assert conversation.messages[-1]["content"].startswith(piece)


def test_nothing_is_left_of_a_question_without_an_answer(conversation, monkeypatch):
    ask(conversation, QUESTIONS[0])
    before = conversation.messages

    def fail(*args, **kwargs):
        raise torch.OutOfMemoryError("no memory left")

    with monkeypatch.context() as patch:
        patch.setattr(conversation.video_chat.model, "generate", fail)
        with pytest.raises(torch.OutOfMemoryError, match="no memory left"):
            ask(conversation, QUESTIONS[1])
    with pytest.raises(ValueError, match="The following `model_kwargs` are not used by the model: \\['fast'\\]"):
        ask(conversation, QUESTIONS[1], fast=True)
    with pytest.raises(ValueError, match="The question is missing"):
        ask(conversation, " ")
    with pytest.raises(ValueError, match="`stream` does not take 'streamer'"):
        ask(conversation, QUESTIONS[1], streamer=None)
    assert conversation.messages == before
    assert ask(conversation, QUESTIONS[1])


def test_a_full_context(model, processor, encoded, monkeypatch):
    chat = VideoChat(model, processor, encoded)
    conversation = Conversation(chat)
    room = 20
    limit = chat.num_prompt_tokens(QUESTIONS[0]) + room
    monkeypatch.setattr(model.config.text_config, "max_position_embeddings", limit)
    answer = ask(conversation, QUESTIONS[0], max_new_tokens=500, min_new_tokens=room)
    assert conversation.finish_reason == "context"
    before = copy.deepcopy(conversation.messages)
    with pytest.raises(ContextFullError, match=f"with this question, and the language model takes at most {limit}"):
        ask(conversation, QUESTIONS[1])
    assert conversation.messages == before and before[-1]["content"] == answer
