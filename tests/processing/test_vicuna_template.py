# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Chats that are not a question after the other."""

import re

import pytest

from transformers_mvgpt.processing import processing_mobilevlm, processing_tinyllava
from transformers_mvgpt.processing.chat_rendering import render_chat


SYSTEM = (
    "A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, detailed, and polite "
    "answers to the user's questions."
)
TEMPLATES = {"mobilevlm": processing_mobilevlm.CHAT_TEMPLATE, "tinyllava": processing_tinyllava.CHAT_TEMPLATE}
IMAGE = {"type": "image"}


@pytest.fixture(params=TEMPLATES)
def render(request):
    def render(*messages: tuple[str, str | list]) -> str:
        chat = [{"role": role, "content": content} for role, content in messages]
        prompt, _ = render_chat(TEMPLATES[request.param], chat, eos_token="<|endoftext|>", add_generation_prompt=True)
        return prompt

    return render


@pytest.mark.parametrize(
    ("messages", "prompt"),
    [
        ([("user", "A"), ("user", "B")], f"{SYSTEM} USER: A USER: B ASSISTANT:"),
        ([("assistant", "A"), ("user", "B")], f"{SYSTEM} ASSISTANT: A<|endoftext|>USER: B ASSISTANT:"),
        ([("system", ""), ("user", "B")], "USER: B ASSISTANT:"),
        ([("system", " A\n"), ("user", "B")], "A USER: B ASSISTANT:"),
        ([("system", [{"type": "text", "text": "A"}]), ("user", "B")], "A USER: B ASSISTANT:"),
        ([("user", [{"type": "text", "text": " B "}, IMAGE])], f"{SYSTEM} USER: <image>\nB ASSISTANT:"),
    ],
    ids=["two questions", "answer first", "no system", "system", "system of parts", "image behind"],
)
def test_turns(render, messages, prompt):
    assert render(*messages) == prompt


@pytest.mark.parametrize(
    ("messages", "message"),
    [
        ([("user", "A"), ("system", "B")], "A message of the role 'system' may only be the first one."),
        ([("system", [IMAGE])], "A message of the role 'system' has a visual: only the user's may."),
        (
            [("user", "A"), ("assistant", [IMAGE])],
            "A message of the role 'assistant' has a visual: only the user's may.",
        ),
        ([("user", [{"type": "audio"}])], "Unknown content type 'audio': use 'text'"),
    ],
    ids=["late system", "system", "assistant", "audio"],
)
def test_what_would_be_lost_is_refused(render, messages, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        render(*messages)
