# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The examples print what their docstrings show. They are run as they stand, with the small model and the clips that they draw."""

import ast
import re
import runpy
import sys
import textwrap
from pathlib import Path

import pytest


EXAMPLES = Path(__file__).parents[2] / "examples"
SCRIPTS = sorted(path for path in EXAMPLES.glob("*.py") if path.name != "ms_swift_plugin.py")


def shown_output(path):
    """What stands behind `$ python examples/NAME.py` in the docstring."""
    docstring = ast.get_docstring(ast.parse(path.read_text("utf-8")))
    [output] = re.findall(rf"^    \$ python examples/{path.name}\n((?:    .*\n)+)", f"{docstring}\n", re.M)
    return textwrap.dedent(output)


@pytest.fixture
def printed(tmp_path, monkeypatch, capsys):
    """What a script prints, in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def run(path):
        monkeypatch.setattr(sys, "argv", [str(path)])
        runpy.run_path(str(path), run_name="__main__")
        return capsys.readouterr().out

    return run


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_output_is_the_one_shown(path, printed, tmp_path):
    output, shown = printed(path), shown_output(path)
    if path.stem == "fine_tuning":
        # what is learned differs a little between processors and releases of torch
        before, after = (int(count) for count in re.findall(r"(\d+) of 12 right", output))
        assert before <= 4 and after >= 8
        output, shown = (re.sub(r"\d+ of|'.*?'", "", text) for text in (output, shown))
    assert output == shown
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted(re.findall(r"\S+\.png", shown))


def test_there_are_five_short_ones():
    assert len(SCRIPTS) == 5
    for path in SCRIPTS:
        assert len(path.read_text("utf-8").splitlines()) <= 65, path.name


def test_the_list_has_all():
    page = (EXAMPLES / "README.md").read_text("utf-8")
    assert set(re.findall(r"\]\(([\w.]+)\)", page)) >= {
        path.name for path in EXAMPLES.iterdir() if path.suffix in (".py", ".ipynb")
    }
