# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from selective_scan_cases import make_inputs, selective_scan_triton
from transformers_mvgpt.kernels import triton_mixer, triton_scan, triton_scan_gradients, triton_support
from transformers_mvgpt.kernels.triton_scan_backward import backward_kernel, ends_kernel, sum_kernel
from transformers_mvgpt.kernels.triton_scan_forward import forward_kernel


FILES = [str(Path(__file__).with_name(f"interpreted_{name}.py")) for name in ("selective_scan", "mixer")]
needs_triton = pytest.mark.skipif(
    importlib.util.find_spec("triton") is None, reason="torch brings triton on Linux alone"
)


def run_tests(**environment):
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *FILES]
    result = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "passed" in result.stdout, result.stdout
    return result.stdout


@needs_triton
def test_kernels_in_the_interpreter():
    output = run_tests(TRITON_INTERPRET="1")  # which triton reads when it is imported
    assert "6 skipped" in output, "those of the published width"


@pytest.mark.needs_cuda
def test_kernels_on_the_gpu():
    assert "skipped" not in run_tests(TRITON_INTERPRET="0")


@needs_triton
@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["fp32", "bf16", "fp16"])
@pytest.mark.parametrize("capability", [80, 90])
@pytest.mark.parametrize(
    ("kernel", "is_mixer"),
    [
        (forward_kernel, False),
        (forward_kernel, True),
        (ends_kernel, False),
        (backward_kernel, False),
        (sum_kernel, False),
    ],
)
def test_kernels_compile_for_nvidia_gpus(kernel, is_mixer, capability, dtype):
    """Which takes no GPU."""
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    is_forward = kernel is forward_kernel
    constants = {"HAS_GATE": not is_mixer, "HAS_BIAS": not is_mixer, "TWO_WAYS": is_mixer, "ENDS_ONLY": False}
    constants |= {"IN_PAIRS": True, "BLOCK": 0 if is_mixer else 16, "B_TOKEN": 32, "N": 16}
    constants |= {name: 64 for name in ("X_TOKEN", "DT_TOKEN", "Y_TOKEN", "Z_TOKEN", "CHANNELS", "WIDTH")}
    constants |= {"STATES": 16, "GROUPS": 1, "ROWS": 8, "COLUMNS": 256}
    constants |= {"T": 2, "K": 64} if is_forward else {"T": 4, "K": 16}
    constants = {name: value for name, value in constants.items() if name in kernel.arg_names}
    in_float32 = {"B", "C", "dt", "ends"} if is_mixer else {"A", "D", "bias", "states", "ends", "workspace"}
    signature = {}
    for name in kernel.arg_names:
        if name.endswith("_pointer"):
            tensor = name.removeprefix("reversed_").removesuffix("_pointer")
            signature[name] = "*fp32" if tensor in in_float32 else f"*{dtype}"
        else:
            signature[name] = "constexpr" if name in constants else "i32"
    source = ASTSource(
        kernel, signature, {(kernel.arg_names.index(name),): value for name, value in constants.items()}
    )
    num_warps = triton_scan._NUM_WARPS["forward"] if is_forward else 1
    compiled = triton.compile(source, target=GPUTarget("cuda", capability, 32), options={"num_warps": num_warps})
    assert compiled.asm["cubin"]


@needs_triton
@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["fp32", "bf16", "fp16"])
@pytest.mark.parametrize("name", ["prepare", "gate"])
def test_kernels_of_the_mixer_compile_for_nvidia_gpus(name, dtype):
    """At the published sizes."""
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    kernel = getattr(triton_mixer, f"_{name}_kernel")
    tokens, channels, num_warps, num_stages = triton_mixer._prepare_sizes(
        torch.float32 if dtype == "fp32" else torch.bfloat16
    )
    constants = {"E": 1152, "TAPS": 4, "RANK": 36, "N": 16, "PADDED_RANK": 64, "PADDED_COLUMNS": 32}
    constants |= {"T": tokens, "K": channels}
    constants = {key: value for key, value in constants.items() if key in kernel.arg_names}
    signature = {key: "constexpr" if key in constants else f"*{dtype}" for key in kernel.arg_names}
    signature |= {"length": "i32"} | {key: "*fp32" for key in ("steps_pointer", "BC_pointer") if key in signature}
    places = {(kernel.arg_names.index(key),): value for key, value in constants.items()}
    for capability in (80, 90):
        compiled = triton.compile(
            ASTSource(kernel, signature, places),
            target=GPUTarget("cuda", capability, 32),
            options={"num_warps": num_warps, "num_stages": num_stages},
        )
        assert compiled.asm["cubin"]


def test_without_triton(monkeypatch):
    monkeypatch.setattr(triton_support, "triton", None)
    with pytest.raises(ImportError, match="needs triton 3.3 or newer; 'torch' runs without it"):
        selective_scan_triton(**make_inputs(dtype=torch.float32))


@needs_triton
def test_a_cpu_is_refused(monkeypatch):
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    with pytest.raises(ValueError, match="takes tensors on a GPU, x is on cpu: 'torch' takes all"):
        selective_scan_triton(**make_inputs(dtype=torch.float32))


@pytest.mark.parametrize("version", [None, "3.2.0"])
def test_files_can_be_imported_without_triton(monkeypatch, version):
    language = SimpleNamespace()
    old = None if version is None else SimpleNamespace(__version__=version, language=language, __path__=[])
    monkeypatch.setitem(sys.modules, "triton", old)
    monkeypatch.setitem(sys.modules, "triton.language", None if version is None else language)
    spec = importlib.util.spec_from_file_location("copy_without_triton", triton_support.__file__)
    copy = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(copy)
    assert copy.triton is None
    assert copy.jit(run_tests) is run_tests
    assert not copy.runs_triton(torch.device("cuda"))
    assert not copy.SUITS_AUTO


@needs_triton
@pytest.mark.parametrize(
    ("compiler", "variable", "has_headers", "expected"),
    [
        ("gcc", None, True, True),
        ("clang", None, True, True),
        ("mycc", "mycc", True, True),
        ("gcc", "mycc", True, False),  # which Triton takes, and does not find
        ("gcc", None, False, False),
        (None, None, True, False),
    ],
)
def test_kernels_are_taken_where_they_can_be_built(monkeypatch, compiler, variable, has_headers, expected):
    monkeypatch.delenv("CC", raising=False)
    if variable is not None:
        monkeypatch.setenv("CC", variable)
    monkeypatch.setattr(triton_support.shutil, "which", lambda name: name if name == compiler else None)
    monkeypatch.setattr(triton_support.os.path, "exists", lambda path: has_headers)
    assert triton_support._can_build_kernels() is expected


@needs_triton
def test_few_channels_are_cut_into_segments():
    """Until the GPU is full."""
    segments = triton_scan._segments
    count, size = segments(num_warps=72, length=1569)
    assert (count, size) == (22, 72)
    assert (count - 1) * size < 1569 <= count * size
    assert segments(num_warps=576, length=1569) == (8, 200)
    assert segments(num_warps=1024, length=1569) == (1, 1576)
    assert segments(num_warps=1, length=197) == (3, 72)
    assert segments(num_warps=1, length=1) == (1, 8)


@needs_triton
def test_segments_of_the_backward_pass():
    """Of whole blocks, and of many samples some too."""
    segments = triton_scan_gradients._segments
    assert segments(num_programs=72, length=1569, tokens_per_block=16) == (15, 112)
    assert segments(num_programs=1152, length=1569, tokens_per_block=16) == (8, 208)
    assert segments(num_programs=1, length=1569, tokens_per_block=16) == (20, 80)
    assert segments(num_programs=1, length=197, tokens_per_block=16) == (3, 80)
    assert segments(num_programs=1, length=1, tokens_per_block=16) == (1, 16)
