# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""A fresh process that has no torch, no transformers and no Pillow, or in which they are installed."""

import subprocess
import sys


ABSENT = """
import sys

class _Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {absent}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, _Absent())
"""
LOADED = """
import sys

def loaded():
    return sorted({"torch", "transformers", "PIL"} & set(sys.modules))
"""


def run_torch_free(code: str, *arguments: object, absent: tuple[str, ...] = ("torch", "transformers", "PIL")) -> str:
    """
    What `code` prints, where the packages `absent` cannot be imported. `loaded()` is there to name those of torch, transformers and Pillow
    that are in memory.
    """
    program = (ABSENT.format(absent=set(absent)) if absent else "") + LOADED + code
    command = [sys.executable, "-W", "ignore", "-c", program, *map(str, arguments)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    return result.stdout
