# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Templates are rendered as by transformers, with bounded time and memory."""

import time

import pytest
from transformers.utils.chat_template_utils import render_jinja_template

from chat_templates import BUSY_TEMPLATE, CHAT, HOSTILE, MANY, REFUSED
from tiny_processors import tiny_processor
from transformers_mvgpt.processing.chat_rendering import render_chat, template_variables
from transformers_mvgpt.processing.processing_mvgpt import CHAT_TEMPLATE


@pytest.mark.parametrize("template", [CHAT_TEMPLATE, BUSY_TEMPLATE], ids=["ours", "busy"])
@pytest.mark.parametrize("tools", [None, [{"name": "look", "parameters": {"a": [1, "\u00e9"]}}]], ids=["", "tools"])
def test_same_as_transformers(template, tools):
    options = {"tools": tools, "add_generation_prompt": True, "return_assistant_tokens_mask": True, "bos_token": "<s>"}
    [prompt], [spans] = render_jinja_template([CHAT], chat_template=template, **options)
    assert render_chat(template, CHAT, **options) == (prompt, spans)
    assert spans or template is BUSY_TEMPLATE


@pytest.mark.parametrize("name", HOSTILE)
def test_what_grows_is_stopped(name):
    start = time.perf_counter()
    with pytest.raises(
        ValueError, match=r"The chat template makes more than it may: \d\d,\d{3},000 characters, or .* steps"
    ):
        render_chat(HOSTILE[name], CHAT)
    assert time.perf_counter() - start < 10


@pytest.mark.parametrize("template", REFUSED, ids=lambda template: template[:40])
def test_what_is_not_rendered(template):
    with pytest.raises(ValueError, match=REFUSED[template]) as error:
        render_chat(template, CHAT)
    assert len(str(error.value)) < 400 and "\n" not in str(error.value)


def test_growth_starts_with_what_is_allowed():
    assert render_chat(MANY + "{{ many | length }}", CHAT)[0] == "1000000"


def test_long_chats_may_be_copied():
    chat = [{"role": "user", "content": [{"type": "text", "text": "x" * 2000}] * 500}]
    assert len(render_chat(CHAT_TEMPLATE, chat)[0]) > 1_000_000


def test_template_of_a_processor():
    processor = tiny_processor()
    processor.chat_template = HOSTILE["loops"]
    for tokenize in (True, False):
        with pytest.raises(ValueError, match="The chat template makes more than it may"):
            processor.apply_chat_template([{"role": "user", "content": "Why?"}], tokenize=tokenize)


def test_variables_are_found_without_computing_constants():
    assert template_variables("{{ mood }}{{ 'a' * 10000000000 }}{{ messages }}") == {"mood", "messages"}
