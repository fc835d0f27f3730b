# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The drawings in docs/images are those that `make pictures` makes, and docs/concepts.md shows them."""

import re
from pathlib import Path

from concept_pictures import FOLDER, PICTURES, write_pictures


PAGE = (Path(__file__).parents[2] / "docs" / "concepts.md").read_text("utf-8")


def test_drawings_are_those_of_the_configuration(tmp_path):
    write_pictures(tmp_path)
    for draw in PICTURES:
        name = f"{draw.__name__}.svg"
        assert (FOLDER / name).read_text("utf-8") == (tmp_path / name).read_text("utf-8"), (
            f"{name}: run `make pictures`"
        )


def test_the_page_shows_them():
    assert re.findall(r"^!\[.+\]\(images/(\w+)\.svg\)$", PAGE, re.MULTILINE) == [draw.__name__ for draw in PICTURES]
