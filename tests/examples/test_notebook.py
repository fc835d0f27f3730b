# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The notebook runs from top to bottom, and what it says is what it holds."""

from pathlib import Path

import nbformat
import pytest


NOTEBOOK = Path(__file__).parents[2] / "examples" / "frames_of_a_video.ipynb"


def said(notebook):
    """What each cell prints and returns, and that it shows pictures. Warnings of other packages do not count."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    outputs = [[output for output in cell.outputs if output.get("name") != "stderr"] for cell in cells]
    return [
        [output.get("text") or sorted(output["data"]) + [output["data"].get("text/plain")] for output in some]
        for some in outputs
    ]


def test_outputs_are_those_kept(tmp_path):
    client = pytest.importorskip("nbclient")
    kept = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(kept)
    run = nbformat.read(NOTEBOOK, as_version=4)
    for cell in run.cells:
        if cell.cell_type == "code":
            cell.outputs = []
    resources = {"metadata": {"path": str(tmp_path)}}
    client.NotebookClient(run, timeout=300, kernel_name="python3", resources=resources).execute()
    assert said(run) == said(kept)
    assert sum("image/png" in output for some in said(kept) for output in some) == 2
    assert not list(tmp_path.iterdir())


def test_it_is_small():
    assert NOTEBOOK.stat().st_size < 150_000
