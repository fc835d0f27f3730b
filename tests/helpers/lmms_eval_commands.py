# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""What `docs/lmms_eval.md` gives lmms-eval to run."""

import re
import shlex
from pathlib import Path


PAGE = (Path(__file__).parents[2] / "docs" / "lmms_eval.md").read_text("utf-8")


def commands_of(page: str) -> list[list[str]]:
    """The arguments of each call of lmms-eval, from `--model` on; flags without a value stand behind the others' pairs."""
    blocks = re.findall(r"^```bash\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.replace("\\\n", "").splitlines() if "--model mvgpt" in line]
    return [words[words.index("--model") :] for words in map(shlex.split, lines)]
