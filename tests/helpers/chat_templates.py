# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Chat templates: what published ones do, those that would never end or fill the memory, and what is refused."""

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
