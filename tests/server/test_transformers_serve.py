# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""How far `transformers serve` goes with our models. Once it goes further, docs/serving.md says something untrue."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from transformers.utils.import_utils import is_serve_available

from transformers_mvgpt.conversion import export_hub
from transformers_mvgpt.demo import CHECKPOINT


PAGE = Path(__file__).parents[2] / "docs" / "serving.md"
MESSAGE = "AttributeError: module transformers has no attribute MobileVideoGPTForConditionalGeneration"


def run(code: str, *arguments: str) -> str:
    """What a process that serves says before it ends."""
    command = [sys.executable, "-c", code, "serve", *arguments, "--device", "cpu", "--port", "0"]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=300, env={**os.environ, "HF_HUB_OFFLINE": "1"}
    )
    assert done.returncode
    return done.stderr


@pytest.mark.slow
@pytest.mark.skipif(not is_serve_available(), reason="needs the packages of `transformers serve`")
@pytest.mark.parametrize("is_exported", [False, True], ids=["package imported", "repository with its code"])
def test_it_looks_for_the_class_in_transformers(tmp_path, is_exported):
    code = "from transformers.cli.transformers import main; main()"
    if is_exported:
        export_hub(CHECKPOINT, tmp_path / "exported")
        said = run(code, str(tmp_path / "exported"), "--trust-remote-code")
    else:
        said = run(f"import transformers_mvgpt; {code}", str(CHECKPOINT))
    assert MESSAGE in said
    assert MESSAGE in PAGE.read_text("utf-8")
