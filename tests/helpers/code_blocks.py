# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Fenced blocks of the pages, and the marks above them: `<!-- needs: a GPU -->` and `<!-- run by: tests/test_x.py -->`."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


ROOT = Path(__file__).parents[2]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "examples").rglob("*.md")),
]

_BLOCK = re.compile(
    r"(?:^ *<!-- (needs|run by): ([^\n]*?) -->\n)?^( *)(`{3,})(\w*)[^\n]*\n(.*?)^\3\4 *$", re.MULTILINE | re.DOTALL
)


# whose Python and `console` blocks tests/test_pages.py runs
RUN_PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


@dataclass(frozen=True)
class Block:
    """`mark` is `"needs"`, `"run by"` or empty, `said` what stands behind it; `line` is that of the fence, from 1."""

    page: Path
    line: int
    language: str
    code: str
    mark: str
    said: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks_of(page: Path) -> Iterator[Block]:
    text = page.read_text("utf-8")
    for match in _BLOCK.finditer(text):
        mark, said, indent, _, language, code = match.groups()
        code = re.sub(f"^{indent}", "", code, flags=re.MULTILINE)
        yield Block(page, text.count("\n", 0, match.start(4)) + 1, language, code, mark or "", said or "")
