# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
What README.md and `docs/` show is what comes: their Python and their commands (`console`) are run in order, by helpers/page_runner.py, with the
small model, or with an untrained checkpoint in the place of a published one.
"""

import re
import shutil
from pathlib import Path

import pytest
from PIL import Image

from code_blocks import PAGES, ROOT, RUN_PAGES, blocks_of
from page_runner import is_run, run_console, run_page, run_python
from transformers_mvgpt.demo import CLIP, make_clip, write_clip
from untrained_release import write_checkpoint


PUBLISHED = "Amshaker/Mobile-VideoGPT-0.5B"
WITH_CODE = [page for page in RUN_PAGES if any(map(is_run, blocks_of(page)))]


@pytest.fixture(scope="module")
def folder(tmp_path_factory, exported_folder) -> Path:
    """What pages take for granted."""
    folder = tmp_path_factory.mktemp("pages")
    shutil.copy(CLIP, folder / "clip.mp4")
    write_clip(make_clip(4, "test"), folder / "other.mp4")
    write_checkpoint(folder / PUBLISHED)
    Image.new("RGB", (64, 48), "red").save(folder / "image.png")
    (folder / "src").symlink_to(ROOT / "src")  # README's commands are those in a clone
    (folder / "small-onnx").symlink_to(exported_folder("mobile_videogpt"))
    return folder


def test_pages_have_code():
    assert {page.name for page in WITH_CODE} >= {
        "README.md",
        "evaluation.md",
        "generation.md",
        "inputs.md",
        "many_questions.md",
        "many_videos.md",
        "model.md",
        "on_device.md",
        "pipeline.md",
        "precision.md",
        "quickstart.md",
        "speed.md",
    }


@pytest.mark.parametrize("page", WITH_CODE, ids=lambda page: page.name)
def test_outputs_are_those_shown(folder, tmp_path, monkeypatch, page):
    for entry in folder.iterdir():
        (tmp_path / entry.name).symlink_to(entry)
    monkeypatch.chdir(tmp_path)
    run_page(page)


def test_other_outputs_are_seen(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run_console("$ echo one two; \\\n  echo three\none ...\n")
    with pytest.raises(AssertionError, match="gives\none"):
        run_console("$ echo one\ntwo\n")
    run_python("1 + 1\n# 2\n", {})
    with pytest.raises(AssertionError, match="1 [+] 1\ngives 2"):
        run_python("1 + 1\n# 3\n", {})


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    text = page.read_text("utf-8")
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith(("http://", "https://")):
            continue
        path, _, anchor = target.partition("#")
        linked = page.parent / path if path else page
        assert linked.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.*)$", linked.read_text("utf-8"), re.MULTILINE)
            assert anchor in {
                re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-") for heading in headings
            }, target
