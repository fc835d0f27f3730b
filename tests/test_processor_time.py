# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The tests' budget holds: what passes it fails the run, in workers and in processes that they start."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from processor_time import SUITE_SECONDS, TEST_SECONDS, VARIABLE, complaints


ROOT = Path(__file__).parents[1]
BUSY = "import time\nend = time.process_time() + 0.3\nwhile time.process_time() < end: pass"
SUITE = f"""
import subprocess, sys
import pytest

def test_child():
    subprocess.run([sys.executable, "-c", {BUSY!r}], check=True)

def test_itself():
    exec({BUSY!r})

@pytest.mark.slow
def test_left_out():
    raise AssertionError
"""


@pytest.fixture(scope="module")
def suite(tmp_path_factory):
    folder = tmp_path_factory.mktemp("suite")
    (folder / "pytest.ini").write_text("[pytest]\ntestpaths = tests\nmarkers = slow: takes long\n")
    (folder / "tests").mkdir()
    (folder / "tests" / "test_it.py").write_text(SUITE)
    return folder


def run(folder, *options, limit, first_on_path=""):
    """Its exit status, output and seconds that it says."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV_"))}
    environment |= {
        VARIABLE: str(limit),
        "PYTHONPATH": f"{first_on_path}{os.pathsep}{ROOT / 'tests' / 'helpers'}",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    }
    command = [sys.executable, "-m", "pytest", "-p", "processor_time", "-p", "no:cacheprovider", *options]
    result = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment)
    seconds = re.findall(r"^processor time: (\d+) s$", result.stdout, re.M)
    return result.returncode, result.stdout, int(seconds[0]) if seconds else None


@pytest.mark.parametrize("workers", [[], ["-p", "xdist", "-n", "2"]], ids=["one process", "two workers"])
def test_a_whole_run_over_its_limit_fails(suite, workers):
    status, output, seconds = run(suite, "-m", "not slow", *workers, limit=0.5)
    assert status == 1 and "2 passed" in output and seconds >= 1
    assert re.search(r"^The tests took \d+ s of a processor, and may take 0 s: make the slowest cheaper", output, re.M)
    assert f"set {VARIABLE}." in output


def test_other_runs_are_not_judged(suite):
    status, output, _ = run(suite, "-m", "not slow", "tests/test_it.py", limit=0.5)
    assert status == 0 and "may take" not in output


def test_a_run_within_its_limit_passes(suite):
    status, output, _ = run(suite, "-m", "not slow", limit=100)
    assert status == 0 and "may take" not in output


def test_a_long_test_is_named():
    assert complaints(10, {"tests/test_a.py::test_b": TEST_SECONDS - 1}, 20) == []
    tests = {"tests/test_a.py::test_b": TEST_SECONDS + 1, "tests/test_a.py::test_c": TEST_SECONDS + 2}
    assert complaints(10, tests, 20) == [
        f"tests/test_a.py::test_{name} took {TEST_SECONDS + more} s of a processor, and may take {TEST_SECONDS} s: "
        f"make it cheaper or mark it slow. On a slower machine, set {VARIABLE}."
        for name, more in (("c", 2), ("b", 1))
    ]
    # which raises both limits
    assert complaints(10, tests, 2 * SUITE_SECONDS) == []


def test_without_times_of_processes_nothing_is_judged(suite, tmp_path):
    """As on Windows, where the module is not there: the tests run."""
    (tmp_path / "resource.py").write_text("raise ImportError")
    status, output, seconds = run(suite, "-m", "not slow", limit=0.5, first_on_path=tmp_path)
    assert status == 0 and "2 passed" in output and seconds is None


def test_tests_can_be_collected_on_windows():
    """What only POSIX has is imported where it is used, or where its lack is seen to."""
    posix = r"^(?:import|from) (?:fcntl|grp|pty|pwd|resource|termios|tty)\b"
    paths = [path for name in ("tests", "tools") for path in (ROOT / name).rglob("*.py")]
    suspects = [text for path in paths if re.search(posix, text := path.read_text("utf-8"), re.M)]
    # not those that have it in a script of theirs
    statements = [ast.unparse(statement) for text in suspects for statement in ast.parse(text).body]
    assert [statement for statement in statements if re.match(posix, statement)] == []


def test_the_limits_are_those_that_contributors_are_told():
    text = " ".join((ROOT / "CONTRIBUTING.md").read_text("utf-8").split())
    assert f"{SUITE_SECONDS:,} seconds of a processor in all, and a test {TEST_SECONDS}" in text
