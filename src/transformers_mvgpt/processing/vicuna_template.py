# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The chat template of Vicuna, as several families were trained with it. It is one line, but for the newline behind a visual."""

_TEMPLATE = """\
{%- set ns = namespace(separator=' ') -%}
{%- if messages[0].role != 'system' -%}
    {{- 'A chat between a curious user and an artificial intelligence assistant. ' -}}
    {{- "The assistant gives helpful, detailed, and polite answers to the user's questions." -}}
{%- endif -%}
{%- for message in messages -%}
    {%- set ns.visuals = '' -%}
    {%- set ns.text = '' -%}
    {%- if message.content is string -%}
        {%- set ns.text = message.content -%}
    {%- elif message.content -%}
        {%- for part in message.content -%}
            {%- if part.type == 'text' -%}
                {%- set ns.text = ns.text + part.text -%}
            {%- elif not (IS_VISUAL) -%}
                {{- raise_exception("Unknown content type '" ~ part.type ~ "': use KINDS.") -}}
            {%- elif message.role == 'user' -%}
                {%- set ns.visuals = ns.visuals + '<image>\\n' -%}
            {%- else -%}
                {{- raise_exception("A message of the role '" ~ message.role ~ "' has a visual: only the user's may.") -}}
            {%- endif -%}
        {%- endfor -%}
    {%- endif -%}
    {%- if message.role == 'user' -%}
        {{- ns.separator + 'USER: ' + ns.visuals + ns.text | trim -}}
        SUFFIX
        {%- set ns.separator = ' ' -%}
    {%- elif message.role == 'assistant' -%}
        {{- ns.separator + 'ASSISTANT:' -}}
        {%- generation -%}
            {{- ' ' + ANSWER -}}
        {%- endgeneration -%}
        {%- set ns.separator = '' -%}
    {%- elif loop.first -%}
        {{- ns.text | trim -}}
        {%- if not ns.text | trim -%}
            {%- set ns.separator = '' -%}
        {%- endif -%}
    {%- else -%}
        {{- raise_exception("A message of the role '" ~ message.role ~ "' may only be the first one.") -}}
    {%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{- ns.separator + 'ASSISTANT:' -}}
{%- endif -%}
"""


def vicuna_template(kinds: tuple[str, ...], answer: str, suffix: str = "") -> str:
    """
    Visuals stand in front of the question, wherever they were put in a message, each as `<image>` and a newline. A system message
    takes the place of Vicuna's own.

    Args:
        kinds (`tuple[str, ...]`): types of the parts that bring a visual, `"image"` or `"video"`.
        answer (`str`): Jinja expression for an answer and its end, of what was said, `ns.text`.
        suffix (`str`): Jinja code that writes what follows each question.
    """
    *others, last = map(repr, ("text", *kinds))
    return (
        _TEMPLATE.replace("IS_VISUAL", " or ".join(f"part.type == {kind!r}" for kind in kinds))
        .replace("KINDS", f"{', '.join(others)} or {last}")
        .replace("        SUFFIX\n", suffix)
        .replace("ANSWER", answer)
    )
