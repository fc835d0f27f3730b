# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""`docs/fine_tuning.md`, from its first block to its last. Shares of right answers depend on the processor, and are compared with bounds."""

import json
import re
from pathlib import Path

import pytest

from code_blocks import ROOT, blocks_of
from page_runner import run_console, run_python


PAGE = ROOT / "docs" / "fine_tuning.md"
SHARE = re.compile(r"\d+\.\d% \[.*?\]")


@pytest.mark.slow
def test_page(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for block in blocks_of(PAGE):
        if block.language == "yaml":
            Path("recipe.yaml").write_text(block.code, "utf-8")
        elif block.mark == "run by" and block.language == "python":
            run_python(block.code, {"__name__": "page"})
        elif block.mark == "run by":
            # the columns are as wide as what stands in them
            run_console(re.sub(" {2,}", "...", SHARE.sub("...", block.code)))
    assert Path("training.jsonl").read_text("utf-8").splitlines()[0] in PAGE.read_text("utf-8")
    before, after = (
        [json.loads(line)["exact"] for line in Path(f"{name}.jsonl").read_text("utf-8").splitlines()]
        for name in ("before", "after")
    )
    assert sum(before) / len(before) == 0.175
    assert sum(after) / len(after) > 0.7
