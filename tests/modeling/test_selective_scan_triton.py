# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from selective_scan_cases import make_inputs
from transformers_mvgpt.modeling import (
    selective_scan_kernels_mvgpt,
    selective_scan_mvgpt,
    selective_scan_triton_mvgpt,
)
from transformers_mvgpt.modeling.selective_scan_mvgpt import selective_scan_triton


FILE = Path(__file__).with_name("interpreted_selective_scan.py")
needs_triton = pytest.mark.skipif(
    importlib.util.find_spec("triton") is None, reason="torch brings triton on Linux alone"
)


def run_tests(**environment):
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", str(FILE)]
    result = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "passed" in result.stdout and "skipped" not in result.stdout, result.stdout


@needs_triton
def test_kernels_in_the_interpreter():
    run_tests(TRITON_INTERPRET="1")  # which triton reads when it is imported


@pytest.mark.needs_cuda
def test_kernels_on_the_gpu():
    run_tests(TRITON_INTERPRET="0")


@needs_triton
@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["fp32", "bf16", "fp16"])
@pytest.mark.parametrize("capability", [80, 90])
@pytest.mark.parametrize("direction", ["forward", "backward"])
def test_kernels_compile_for_nvidia_gpus(direction, capability, dtype):
    """Which takes no GPU."""
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    kernel = getattr(selective_scan_kernels_mvgpt, f"{direction}_kernel")
    constants = {"HAS_GATE": True, "SAVE_STATES": True, "T": 16, "K": 16, "N": 16}
    constants = {name: value for name, value in constants.items() if name in kernel.arg_names}
    in_float32 = {"A", "D", "bias", "states", "grad_A", "grad_B", "grad_C", "grad_D", "grad_bias"}
    signature = {}
    for name in kernel.arg_names:
        tensor, _, is_pointer = name.partition("_pointer")
        if is_pointer or name.endswith("_pointer"):
            signature[name] = "*fp32" if tensor in in_float32 else f"*{dtype}"
        else:
            signature[name] = "constexpr" if name in constants else "i32"
    source = ASTSource(
        kernel, signature, {(kernel.arg_names.index(name),): value for name, value in constants.items()}
    )
    compiled = triton.compile(
        source,
        target=GPUTarget("cuda", capability, 32),
        options={"num_warps": selective_scan_triton_mvgpt._NUM_WARPS[direction]},
    )
    assert compiled.asm["cubin"]


def test_without_triton(monkeypatch):
    monkeypatch.setattr(selective_scan_mvgpt, "triton", None)
    with pytest.raises(ImportError, match="needs the package triton; selective_scan_torch runs without it"):
        selective_scan_triton(**make_inputs(dtype=torch.float32))


def test_files_can_be_imported_without_triton(monkeypatch):
    monkeypatch.setitem(sys.modules, "triton", None)
    spec = importlib.util.spec_from_file_location("copy_without_triton", selective_scan_kernels_mvgpt.__file__)
    copy = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(copy)
    assert copy.triton is None
    assert callable(copy.forward_kernel)
