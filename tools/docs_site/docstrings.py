# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
The docstrings of this package, which are in the dialect of transformers, as Markdown:

    Args:                                                **Parameters**
        fps (`float`, *optional*, defaults to 1.0):  ->
            Frames per second.                           `fps` (`float`, *optional*, defaults to 1.0)
                                                         :   Frames per second.

A link [`Name`] leads to the page of a public name, and is code where there is none.
"""

import re
import textwrap
from pathlib import Path
from typing import Any

from griffe import Docstring, Extension, Object


ROOT = Path(__file__).parents[2]
_TITLES = {
    "Args": "Parameters",
    "Attributes": "Attributes",
    "Returns": "Returns",
    "Yields": "Yields",
    "Raises": "Raises",
    "Example": "Example",
}
_SECTION = re.compile(rf"^({'|'.join(_TITLES)}):[ ]*$")
_LINK = re.compile(r"\[`(~?)([\w.]+)`\]")
_DIRECTIVE = re.compile(r"^::: ([\w.]+)$", re.MULTILINE)


class MarkdownDocstrings(Extension):
    """Rewrites docstrings before they are parsed; for `docstring_style: null` of mkdocstrings."""

    def __init__(self) -> None:
        pages = (ROOT / "docs" / "api").glob("*.md")
        public = [path for page in pages for path in _DIRECTIVE.findall(page.read_text("utf-8"))]
        # of two with one name, the first: `UntrustedInput` is in two packages
        self.paths = {path.rpartition(".")[2]: path for path in reversed(sorted(public, key=len))}

    def on_object(self, *, obj: Object, **_: Any) -> None:
        if obj.docstring is not None:
            obj.docstring.value = to_markdown(obj.docstring, obj, self.paths)


def to_markdown(docstring: Docstring, obj: Object, paths: dict[str, str]) -> str:
    """A docstring as Markdown; `paths` has for each public name where it is documented."""
    blocks, text = [], []
    lines = docstring.value.splitlines()
    while lines:
        match = _SECTION.match(lines[0])
        if match is None:
            text.append(lines.pop(0))
            continue
        lines.pop(0)
        section = []
        while lines and (not lines[0].strip() or lines[0].startswith(" ")):
            section.append(lines.pop(0))
        blocks.append("\n".join(text))
        blocks.append(_section(match[1], textwrap.dedent("\n".join(section)).strip("\n")))
        text = []
    blocks.append("\n".join(text))
    return _led("\n\n".join(blocks), obj, paths)


def _section(kind: str, body: str) -> str:
    title = f"**{_TITLES[kind]}**"
    if kind == "Example":
        return f"{title}\n\n{body}"
    if kind in ("Returns", "Yields"):
        return f"{title}\n\n{_item(body)}" if re.match(r"`[^`]+`(, `[^`]+`)*:", body) else f"{title}\n\n{body}"
    items = re.split(r"\n(?=\S)", body)
    return "\n\n".join([title, *map(_item, items)])


def _item(item: str) -> str:
    """`name (type): text` as an entry of a definition list."""
    head, text = _split(item)
    names, opening, types = head.partition(" (")
    shown = ", ".join(name if name.startswith("`") else f"`{name}`" for name in names.split(", ")) + opening + types
    text = textwrap.dedent("\n" + text).strip() if text.startswith("\n") else text.strip()
    first, *others = text.splitlines() or [""]
    # a text that begins behind the name goes on below it
    text = "\n".join([first, *textwrap.dedent("\n".join(others)).splitlines()])
    return f"{shown}\n:   " + textwrap.indent(text, "    ").strip()


def _split(item: str) -> tuple[str, str]:
    """Head and text of an item, at the first colon that stands in no bracket and no code."""
    depth, in_code = 0, False
    for index, character in enumerate(item):
        if character == "`":
            in_code = not in_code
        elif not in_code:
            depth += (character in "([") - (character in ")]")
            if character == ":" and depth == 0:
                return item[:index], item[index + 1 :]
    return item, ""


def _led(text: str, obj: Object, paths: dict[str, str]) -> str:
    """The text with its links led to the pages of public names."""
    owner = obj if obj.is_class else obj.parent

    def lead(match: re.Match[str]) -> str:
        is_foreign, name = match[1], match[2]
        first, _, member = name.partition(".")
        if is_foreign:
            return f"`{name.rpartition('.')[2]}`"
        if first in paths:
            path = paths[first] + (f".{member}" if member else "")
            return f"[`{name}`][{path}]" if not member or owner is None else f"`{name}`"
        if owner is not None and owner.is_class and name in owner.members and owner.name in paths:
            return f"[`{name}`][{paths[owner.name]}.{name}]"
        return f"`{name}`"

    return _LINK.sub(lead, text)
