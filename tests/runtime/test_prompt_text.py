# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Templates are rendered as by transformers where that is not installed, within the same bounds."""

import pytest

from chat_templates import BUSY_TEMPLATE, CHAT, HOSTILE, REFUSED
from transformers_mvgpt.processing.chat_rendering import render_chat
from transformers_mvgpt.processing.chat_rendering import template_variables as variables_of_transformers
from transformers_mvgpt.processing.processing_mvgpt import CHAT_TEMPLATE
from transformers_mvgpt.processing.processing_tinyllava import CHAT_TEMPLATE as VICUNA_TEMPLATE
from transformers_mvgpt.runtime.prompt_text import render_prompt, template_variables


@pytest.mark.parametrize("template", [CHAT_TEMPLATE, VICUNA_TEMPLATE, BUSY_TEMPLATE], ids=["ChatML", "Vicuna", "busy"])
def test_same_as_with_transformers(template):
    prompt, _ = render_chat(template, CHAT, add_generation_prompt=True, bos_token="<s>")
    assert render_prompt(template, CHAT, {"bos_token": "<s>"}) == prompt
    assert template_variables(template) == variables_of_transformers(template)


@pytest.mark.parametrize("name", ["loops", "characters", "doubled", "join", "text in a block"])
def test_what_grows_is_stopped(name):
    with pytest.raises(ValueError, match=r"The chat template makes more than it may"):
        render_prompt(HOSTILE[name], CHAT, {})


@pytest.mark.parametrize("template", [one for one in REFUSED if len(one) < 1000], ids=lambda template: template[:40])
def test_what_is_not_rendered(template):
    with pytest.raises(ValueError, match=REFUSED[template].replace("(Template)?Namespace", "_Namespace")):
        render_prompt(template, CHAT, {})


@pytest.mark.parametrize("template", ["{{ namespace(__class__=1) }}", "{% set n = namespace() %}{% set n._x = 1 %}"])
def test_names_of_a_namespace(template):
    with pytest.raises(ValueError, match="has the name '_.*': take one without an underscore"):
        render_prompt(template, CHAT, {})
    with pytest.raises(ValueError):
        render_chat(template, CHAT)


def test_generation_tags_and_dates():
    template = "{% generation %}{% set x = 1 %}a{% endgeneration %}{{ x is defined }}{{ strftime_now('%Y')|length }}"
    assert render_prompt(template, CHAT, {}) == render_chat(template, CHAT)[0] == "aFalse4"
