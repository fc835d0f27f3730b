# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
import gc
import mmap
import os
import subprocess
import sys
import threading
from itertools import count
from pathlib import Path

import pytest

from soak.__main__ import NUM_MEASUREMENTS, find_growth, soak


ROOT = Path(__file__).parents[2]
MAX_BYTES = 10_000_000


@pytest.fixture(autouse=True)
def nothing_old_is_collected():
    """Each measurement collects garbage, which takes long among all that the tests have imported."""
    gc.freeze()
    yield
    gc.unfreeze()


def test_what_stays_is_no_growth():
    def refuse():
        raise ValueError("always the same")

    usages = soak({"a": lambda: 1, "b": refuse}, 4 * NUM_MEASUREMENTS)
    assert [usage.num_requests for usage in usages] == [4 * number for number in range(1, NUM_MEASUREMENTS + 1)]
    assert find_growth(usages, MAX_BYTES) == []


def test_memory_that_is_kept_is_found():
    held = []

    def keep():
        # from the system, whatever freed memory the process has
        memory = mmap.mmap(-1, 4_000_000)
        memory.write(b"1" * 4_000_000)
        held.append(memory)

    [problem] = find_growth(soak({"a": keep}, NUM_MEASUREMENTS), MAX_BYTES)
    assert problem.startswith("resident_bytes grew by ")


def test_files_that_stay_open_are_found():
    held = []
    try:
        problems = find_growth(soak({"a": lambda: held.append(open(os.devnull))}, NUM_MEASUREMENTS), MAX_BYTES)
    finally:
        for file in held:
            file.close()
    assert [problem.partition(" ")[0] for problem in problems] == ["num_files"]


def test_threads_that_stay_are_found():
    end = threading.Event()
    try:
        request = {"a": lambda: threading.Thread(target=end.wait).start()}
        problems = find_growth(soak(request, NUM_MEASUREMENTS), MAX_BYTES)
    finally:
        end.set()
    assert [problem.partition(" ")[0] for problem in problems] == ["num_threads"]


def test_an_answer_that_changes_and_a_foreign_error_end_the_run():
    numbers = count()
    with pytest.raises(RuntimeError, match=r"Request 2 \(a\) ended with 1, the first with 0"):
        soak({"a": lambda: next(numbers)}, NUM_MEASUREMENTS)
    with pytest.raises(ZeroDivisionError):
        soak({"a": lambda: 1 / 0}, NUM_MEASUREMENTS)


def test_the_small_model_serves_many_requests():
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "tools"), "HF_HUB_OFFLINE": "1"}
    # memory is still settling in so short a run
    command = [sys.executable, "-m", "soak", "--number", "100", "--megabytes", "64"]
    result = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300)
    assert result.returncode == 0, result.stdout + result.stderr[-2000:]
    assert "100 requests in " in result.stdout
