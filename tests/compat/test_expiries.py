# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""What differs between releases is in this room alone, and says when it can go."""

import ast
import re
from pathlib import Path

import pytest

import transformers_mvgpt


PACKAGE = Path(transformers_mvgpt.__file__).parent
FILES = sorted(set(PACKAGE.glob("compat/*.py")) - {PACKAGE / "compat" / "__init__.py"})


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_each_file_says_when_it_can_go(file):
    docstring = ast.get_docstring(ast.parse(file.read_text("utf-8")))
    assert re.search(r"^Remove when \w", docstring, re.MULTILINE)


def test_no_other_file_asks_for_the_release():
    compared = re.compile(r"transformers\.__version__ *[<>=]|parse_version|packaging\.version|is_transformers_version")
    others = set(PACKAGE.rglob("*.py")) - set(FILES)
    assert [file.name for file in others if compared.search(file.read_text("utf-8"))] == []
