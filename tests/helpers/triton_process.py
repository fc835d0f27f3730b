# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Tests of Triton kernels in a process of their own: whether they are interpreted, Triton reads when it is imported."""

import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest


TESTS = Path(__file__).parents[1] / "kernels"
needs_triton = pytest.mark.skipif(
    importlib.util.find_spec("triton") is None, reason="torch brings triton on Linux alone"
)


def run_tests(names: Iterable[str], **environment: str) -> str:
    """What pytest says of files of tests/kernels, all of which pass."""
    files = [str(TESTS / name) for name in names]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *files]
    result = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "passed" in result.stdout, result.stdout
    return result.stdout
