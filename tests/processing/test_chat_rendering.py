# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Templates are rendered as by transformers, with bounded time and memory."""

import time

import pytest
from transformers.utils.chat_template_utils import render_jinja_template

from tiny_processors import tiny_processor
from transformers_mvgpt.processing.chat_rendering import render_chat, template_variables
from transformers_mvgpt.processing.processing_mvgpt import CHAT_TEMPLATE


CHAT = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": [{"type": "video"}, {"type": "text", "text": "What is <b>it</b>?"}]},
    {"role": "assistant", "content": "A dog."},
    {"role": "user", "content": "Where?"},
]
# What templates of published models do.
BUSY_TEMPLATE = """\
{%- if tools %}{{- '# Tools\\n' }}{% for tool in tools %}{{ tool | tojson }}{% endfor %}{% endif %}
{%- set ns = namespace(last=messages|length - 1, seen=[], text='') %}
{%- macro show(content, depth=0) %}
  {%- if content is string %}{{- content.strip().split('</think>')[-1].lstrip('\\n') }}
  {%- elif content is iterable and content is not mapping %}
    {%- for item in content if item.type != 'image' %}{{ loop.index0 ~ '/' ~ loop.length }}{{ item.get('text', '-') }}{% endfor %}
  {%- endif %}
{%- endmacro %}
{%- for message in messages[::-1] %}
  {%- set index = (messages|length - 1) - loop.index0 %}
  {%- if loop.first and not loop.last or message['role'] in ['system', 'user'] %}{% set ns.last = index %}{% endif %}
  {%- set ns.text = ns.text + message.role[:4] * 2 %}
  {%- if message.role == 'assistant' %}{% generation %}{{ show(message.content) }}{% endgeneration %}{% continue %}{% endif %}
  {{- '<' + message.role | upper ~ '>' + show(message.content) }}
{%- endfor %}
{{ ns.text }} {{ ns.last }} {{ {'a': 1, 'b': (2, 3)} }} {{ [1, 'x', none, true, 2.5] }} {{ missing }} {{ bos_token | default('') }}
{%- for key, value in {'a': 1}.items() %}{{ key }}{{ value }}{% endfor %}
{{ range(3) | list }} {{ messages | map(attribute='role') | join(', ') }} {{ 7 // 2 }} {{ 7 % 3 }} {{ 'a.b'.replace('.', '-') }}
{{- messages | selectattr('role', 'equalto', 'user') | list | length }} {{ 'a' < 'b' }} {{ 3 is odd }}
"""
MANY = "{% set many = 'a' * 1000000 %}"
HOSTILE = {
    "loops": "{% for a in range(100000) %}{% for b in range(100000) %}{% for c in range(100000) %}{% endfor %}{% endfor %}{% endfor %}",
    "text in loops": "{% for a in range(100000) %}{% for b in range(100000) %}"
    + "x" * 1000
    + "{% endfor %}{% endfor %}",
    "text in a block": "{% set x %}{% for a in range(100000) %}" + "x" * 90_000 + "{% endfor %}{% endset %}{{ x }}",
    "characters": "{{ 'a' * 10000000000 }}",
    "characters, the other way": "{{ 10000000000 * 'a' }}",
    "items": "{{ [messages] * 1000000000 }}",
    "doubled": "{% set n = namespace(s='aa') %}{% for i in range(60) %}{% set n.s = n.s + n.s %}{% endfor %}{{ n.s }}",
    "joined": "{% set n = namespace(s='aa') %}{% for i in range(60) %}{% set n.s = n.s ~ n.s %}{% endfor %}{{ n.s }}",
    "lists of lists": "{% set n = namespace(s=[1]) %}{% for i in range(60) %}{% set n.s = [n.s, n.s] %}{% endfor %}{{ n.s }}",
    "dicts of dicts": "{% set n = namespace(s=1) %}{% for i in range(60) %}{% set n.s = dict(a=n.s, b=n.s) %}{% endfor %}{{ n.s }}",
    "keys": "{% set n = namespace(t=1) %}{% for i in range(60) %}{% set n.t = (n.t, n.t) %}{% endfor %}{{ {n.t: 1} }}",
    "macros": "{% macro m(n) %}{% if n < 60 %}{{ m(n + 1) }}{{ m(n + 1) }}{% endif %}{% endmacro %}{{ m(0) }}",
    "replace": MANY + "{{ many.replace('', many) }}",
    "replace, a filter": MANY + "{{ many | replace('a', many) }}",
    "join": MANY + "{{ many.join(range(100000) | map('string') | list) }}",
    "join, a filter": MANY + "{{ ([many] * 100000) | join }}",
    "replace by name": MANY + "{{ many | replace('', new=many) }}",
    "replace in a list": MANY + "{{ [many] | replace('', many) }}",
    "join by name": MANY + "{{ range(100000) | join(d=many) }}",
    "ranges": "{% for i in range(100000) %}{% for j in range(100000) %}{{ range(100000) | max }}{% endfor %}{% endfor %}",
    "generators": "{% for i in range(100000) %}{{ range(100000) | map(attribute='real') | max }}{% endfor %}",
    "views": "{% set d = dict(a=[messages] * 1000) %}{% for i in range(100000) %}{{ d.values() | max }}{% endfor %}",
    "changed": MANY + "{% for i in range(100000) %}{{ loop.changed(many + '') }}{% endfor %}",
    "split": "{% set s = 'a ' * 10000000 %}{{ s.split() | length }}",
    "compared": MANY + "{% for i in range(100000) %}{% if many == many + '' %}{% endif %}{% endfor %}",
    "tested": MANY + "{% for i in range(100000) %}{% if many is eq many %}{% endif %}{% endfor %}",
    "sliced": MANY + "{% for i in range(100000) %}{% set x = many[1:] %}{% endfor %}",
    "sorted": MANY + "{{ ([many] * 100000) | sort }}",
}
REFUSED = {
    "{{ 9 ** 9 ** 9 }}": r"uses '\*\*' on a int",
    "{{ '%1000000000d' % 1 }}": "uses '%' on a str",
    "{{ 'a' | center(1000000000) }}": "No filter named 'center'",
    "{{ 'a'.ljust(1000000000) }}": "calls 'ljust'",
    "{{ '{:1000000000}'.format(1) }}": "calls 'format'",
    "{{ (1).to_bytes(10000000000, 'big') }}": "calls 'to_bytes'",
    "{{ lipsum(1000000) }}": "'lipsum' is undefined",
    "{{ strftime_now('%1000000000d') }}": "a date in a format that is not supported",
    "{{ [[1]] | tojson(indent=1000000000) }}": "JSON with an indent or separators that are too long",
    "{{ [[1]] | tojson(indent='a' * 1000000) }}": "JSON with an indent or separators that are too long",
    "{% set n = namespace(s=3) %}{% for i in range(60) %}{% set n.s = n.s * n.s %}{% endfor %}": "more than 10000 bits",
    "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}": "cannot be rendered: RecursionError",
    "{% for a in messages recursive %}{{ loop(messages) }}{% endfor %}": "has a recursive loop",
    "{{ namespace(a=1) }}": "writes a (Template)?Namespace, which is no text",
    "{% include 'x' %}": "cannot be rendered: TypeError: no loader",
    "{{ messages.__class__.__mro__ }}": "access to attribute '__class__' of 'list' object is unsafe",
    "{% for %}": "is wrong: Expected an expression",
    "{{ 1 // 0 }}": "cannot be rendered: ZeroDivisionError",
    "{{ raise_exception('Roles must alternate.') }}": "^Roles must alternate",
    "x" * 100_001: "has 100,001 characters; at most 100,000 are taken",
    "{{ " + "(" * 40_000 + "1" + ")" * 40_000 + " }}": "cannot be rendered: RecursionError",
    "{% for a in [1] %}" * 30 + "{% endfor %}" * 30: "cannot be rendered: SyntaxError",
}


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
