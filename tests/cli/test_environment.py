# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
import mmap
import os
import platform
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from transformers_mvgpt.cli import environment
from transformers_mvgpt.cli.environment import prepare_environment


NAMES = ("THP_MEM_ALLOC_ENABLE", "NUMBA_CPU_FEATURES", "NUMBA_DISABLE_ERROR_MESSAGE_HIGHLIGHTING")
FAULTS_OF_TENSORS = """
import resource
from transformers_mvgpt.cli.environment import prepare_environment
prepare_environment()
import torch
numbers = []
for _ in range(8):
    for _ in range(4):
        torch.zeros(16 * 2**20, dtype=torch.uint8)
    numbers.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)
print(numbers[-1] - numbers[3])  # at first, the heap grows
"""


@pytest.fixture
def unset(monkeypatch):
    monkeypatch.setattr(environment, "_keep_freed_memory", lambda: None)  # that could not be undone
    for name in NAMES:
        monkeypatch.setenv(name, "")  # so that it is as before in the end
        monkeypatch.delenv(name)


@pytest.mark.usefixtures("unset")
@pytest.mark.parametrize("has_wide_vectors", [True, False])
def test_large_pages_and_wide_vectors(monkeypatch, has_wide_vectors):
    binding = pytest.importorskip("llvmlite.binding")
    host = binding.get_host_cpu_features()
    host["avx512fp16"] = has_wide_vectors
    monkeypatch.setattr(binding, "get_host_cpu_features", lambda: host)
    prepare_environment()
    assert os.environ["THP_MEM_ALLOC_ENABLE"] == "1"
    wanted = f"{host.flatten()},-prefer-256-bit" if has_wide_vectors else None
    assert os.environ.get("NUMBA_CPU_FEATURES") == wanted


@pytest.mark.usefixtures("unset")
def test_what_the_user_has_set_stays(monkeypatch):
    monkeypatch.setattr(environment, "_host_features", lambda: "+avx2")
    for name in NAMES:
        monkeypatch.setenv(name, "mine")
    prepare_environment()
    assert [os.environ[name] for name in NAMES] == ["mine"] * len(NAMES)


@pytest.mark.usefixtures("unset")
def test_without_numba_it_is_torch_alone(monkeypatch):
    monkeypatch.setitem(sys.modules, "llvmlite", None)
    prepare_environment()
    assert [os.environ.get(name) for name in NAMES] == ["1", None, "1"]


def test_numba_compiles_with_what_it_is_told():
    """LLVM knows every feature of the list, and says nothing."""
    pytest.importorskip("numba")
    code = (
        "from transformers_mvgpt.cli.environment import prepare_environment; prepare_environment(); import numba; "
        "print(numba.njit(lambda x: x + 1)(1))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert result.stdout == "2\n", result.stderr
    assert "not a recognized feature" not in result.stderr


def faults_of_tensors(**variables):
    command = [sys.executable, "-c", FAULTS_OF_TENSORS]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, env={**os.environ, **variables})
    assert result.returncode == 0, result.stderr
    return int(result.stdout)


HUGE_PAGES = Path("/sys/kernel/mm/transparent_hugepage/enabled")


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other allocators have other habits")
@pytest.mark.skipif(HUGE_PAGES.exists() and "[always]" in HUGE_PAGES.read_text(), reason="pages are counted")
@pytest.mark.parametrize("name", ["MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES"])
def test_memory_of_freed_tensors_is_kept(name):
    """16 tensors of 16 MiB; with a threshold of the user's, all of them come anew from the system."""
    small_pages, num_pages = {"THP_MEM_ALLOC_ENABLE": "0"}, 16 * 2**24 // mmap.PAGESIZE
    assert faults_of_tensors(**small_pages) < num_pages / 10
    threshold = {"GLIBC_TUNABLES": "glibc.malloc.mmap_threshold=1000000", "MALLOC_MMAP_THRESHOLD_": "1000000"}[name]
    assert faults_of_tensors(**small_pages, **{name: threshold}) > num_pages * 0.9


@pytest.mark.parametrize("accepts_all", [True, False], ids=["glibc 2.35", "older"])
def test_trim_threshold_is_not_set_alone(monkeypatch, accepts_all):
    calls = []

    def mallopt(parameter, size):
        calls.append((parameter, size))
        return int(accepts_all or parameter == -1 or size <= 2**25)

    monkeypatch.setattr(environment.ctypes, "CDLL", lambda name: SimpleNamespace(mallopt=mallopt))
    monkeypatch.setattr(sys, "platform", "linux")
    for name in ("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "GLIBC_TUNABLES"):
        monkeypatch.delenv(name, raising=False)
    environment._keep_freed_memory()
    assert calls == [(-3, 2**31 - 1), *([] if accepts_all else [(-3, 2**25)]), (-1, 2**31 - 1)]
