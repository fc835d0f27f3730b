# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""What numba keeps of compiled functions for later processes."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from transformers_mvgpt.kernels import numba_compile


pytest.importorskip("numba")
CODE = """
import json
import sys
import torch
sys.path.insert(0, sys.argv[1])
from copied.numba_elementwise import _compiled, silu_times
y = silu_times(torch.tensor([[1.0, 2.0]]), torch.ones(1, 2))
stats = _compiled._silu_times.stats
print(json.dumps([y[0].tolist(), sum(stats.cache_hits.values()), sum(stats.cache_misses.values())]))
"""


@pytest.fixture
def package(tmp_path):
    """A copy of the compiled files, with a cache of its own."""
    folder = tmp_path / "copied"
    folder.mkdir()
    files = (
        "numba_elementwise.py",
        "numba_compile.py",
        "numba_intrinsics.py",
        "numba_block_intrinsics.py",
        "threads.py",
    )
    for name in files:
        shutil.copy(Path(numba_compile.__file__).with_name(name), folder)
    return folder


def run(package: Path) -> tuple[list[float], int, int]:
    """In a process of its own: silu of 1 and 2, how often it was found in the cache, and how often not."""
    command = [sys.executable, "-c", CODE, str(package.parent)]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def change(file: Path, before: str, after: str) -> None:
    code = file.read_text("utf-8")
    assert code.count(before) == 1
    file.write_text(code.replace(before, after), "utf-8")


def test_later_processes_find_it(package):
    first, *counts = run(package)
    assert first == pytest.approx([0.7310586, 1.7615942])
    assert counts == [0, 1]
    assert run(package) == [first, 1, 0]


@pytest.mark.parametrize(
    ("file", "before", "after"),
    [
        ("numba_compile.py", "return value * (np.float32(1) if", "return np.float32(2) * value * (np.float32(1) if"),
        (
            "numba_intrinsics.py",
            "                return arguments[0]\n",
            "                return builder.fadd(arguments[0], arguments[0])\n",
        ),
        (
            "numba_elementwise.py",
            "_rounded(gate, values[k]) * widen",
            "np.float32(2) * _rounded(gate, values[k]) * widen",
        ),
    ],
    ids=["function of a number", "intrinsic", "own file"],
)
def test_change_of_a_helper_is_compiled(package, file, before, after):
    first, *_ = run(package)
    change(package / file, before, after)
    second, *counts = run(package)
    assert second != pytest.approx(first)
    assert counts == [0, 1]


def test_functions_of_the_files_stay_as_they_are():
    """What is compiled has a place of its own."""
    from transformers_mvgpt.kernels import numba_scan

    compiled = numba_scan.compiled.scan_unit
    assert compiled is not numba_scan.scan_unit
    assert compiled is numba_scan.compiled.scan_unit
    for function in (numba_compile.exp2, numba_compile.softplus, numba_scan.scan_unit, numba_scan.prefetch):
        assert type(function) is type(run)


def test_functions_of_others_are_compiled_as_before():
    """Also those whose module is not known, while nobody has compiled one of ours in this process."""
    script = """
import types, numba
from transformers_mvgpt.kernels.numba_compile import _log_first_compilation
_log_first_compilation()
print(numba.njit(types.FunctionType((lambda a: a + 1).__code__, {}))(3))
"""
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert result.stdout == "4\n", result.stderr


def test_code_in_an_archive(package, tmp_path):
    archive = shutil.make_archive(str(tmp_path / "archive"), "zip", root_dir=package.parent, base_dir="copied")
    command = [sys.executable, "-c", CODE, archive]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(result.stdout)[0] == pytest.approx([0.7310586, 1.7615942])


def test_unknown_names_are_no_attributes():
    from transformers_mvgpt.kernels.numba_elementwise import _compiled

    assert not hasattr(_compiled, "dance")
