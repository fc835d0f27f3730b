# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
import subprocess
import sys
from types import FunctionType

import numba
import pytest
import torch

from selective_scan_cases import (
    assert_all_close,
    double,
    make_inputs,
    output_and_grads,
    scan_by_the_formula,
    selective_scan_numba,
    selective_scan_torch,
)
from tiny_models import VIDEO_SIZE, tiny_video_config
from transformers_mvgpt import VideoMambaModel
from transformers_mvgpt.kernels import gates_video_encoder, numba_compile, numba_scan


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("channels", [3, 64, 65])
@pytest.mark.parametrize("length", [1, 31, 32, 33, 197])
def test_matches_the_formula(length, channels, batch):
    inputs = make_inputs(batch=batch, channels_per_group=channels, length=length, dtype=torch.float32)
    expected = output_and_grads(scan_by_the_formula, double(inputs))
    assert_all_close(output_and_grads(selective_scan_numba, inputs), expected, tolerance=5e-6)


@pytest.mark.parametrize("states", [1, 4, 16])
def test_matches_plain_torch(states):
    """Forward and gradients; without the latter, no states are kept."""
    inputs = make_inputs(channels_per_group=70, states=states, length=100, dtype=torch.float32)
    expected = output_and_grads(selective_scan_torch, inputs)
    actual = output_and_grads(selective_scan_numba, inputs)
    assert_all_close(actual, expected, tolerance=2e-6)
    torch.testing.assert_close(selective_scan_numba(**inputs), actual["y"], rtol=0, atol=0)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_half_precision_computes_in_float32(dtype):
    inputs = make_inputs(length=65, dtype=dtype)
    inputs["A"] = inputs["A"].float()
    actual = output_and_grads(selective_scan_numba, inputs)
    expected = output_and_grads(scan_by_the_formula, double(inputs))
    assert actual["y"].dtype == actual["grad of x"].dtype == dtype
    assert_all_close(actual, expected, tolerance=torch.finfo(dtype).eps)


def test_decays_from_none_to_total_in_one_sequence():
    inputs = make_inputs(length=197, dtype=torch.float32)
    inputs["dt"] = inputs["dt"] * 30
    inputs["A"] = inputs["A"] * torch.tensor([1e-4, 1e-2, 1.0, 1e2])
    expected = scan_by_the_formula(**double(inputs))
    assert_all_close({"y": selective_scan_numba(**inputs)}, {"y": expected}, tolerance=5e-6)


def test_what_is_not_a_number_stays_visible():
    inputs = make_inputs(length=9, dtype=torch.float32)
    inputs["x"][0, 1, 4] = torch.nan
    y = selective_scan_numba(**inputs)
    assert y[0, 1, 4:].isnan().all()
    assert y[0, 1, :4].isfinite().all()
    assert y[1].isfinite().all()


@pytest.mark.parametrize("num_threads", [1, 2, 5])
def test_threads_share_the_channels(num_threads):
    inputs = make_inputs(channels_per_group=200, length=40, dtype=torch.float32)
    expected = selective_scan_numba(**inputs)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(num_threads)
        torch.testing.assert_close(selective_scan_numba(**inputs), expected, rtol=0, atol=0)
    finally:
        torch.set_num_threads(before)


def test_compiles_to_one_graph():
    compiled = torch.compile(selective_scan_numba, backend="aot_eager", fullgraph=True)
    inputs = make_inputs(length=65, dtype=torch.float32)
    assert_all_close(
        output_and_grads(compiled, inputs), output_and_grads(selective_scan_numba, inputs), tolerance=1e-6
    )


def test_video_encoder_takes_it():
    torch.manual_seed(0)
    model = VideoMambaModel(tiny_video_config()).eval()
    pixels = torch.randn(2, 8, 3, VIDEO_SIZE, VIDEO_SIZE)
    outputs = {}
    with torch.no_grad():
        for name in ("torch", "numba", "auto"):
            model.config.scan_implementation = name
            outputs[name] = model(pixels).last_hidden_state
    torch.testing.assert_close(outputs["numba"], outputs["torch"])
    assert torch.equal(outputs["auto"], outputs["numba"])


def test_works_without_a_place_for_the_cache(monkeypatch):
    def njit(function, cache=False, **options):
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return function

    monkeypatch.setattr(numba, "njit", njit)
    monkeypatch.setattr(numba_compile, "memory_functions", lambda: {"prefetch": lambda address: None})
    monkeypatch.setattr(numba_compile, "_scalar_functions", lambda: {})
    again = numba_compile.CompiledFunctions((numba_scan.scan_unit,), (numba_scan.load,), fastmath=set())
    assert isinstance(again.scan_unit, FunctionType)
    monkeypatch.setattr(numba_scan, "compiled", again)
    inputs = make_inputs(length=5, dtype=torch.float32)
    torch.testing.assert_close(selective_scan_numba(**inputs), selective_scan_torch(**inputs))


def test_without_numba(monkeypatch):
    monkeypatch.setattr(gates_video_encoder, "has_numba", False)
    with pytest.raises(ImportError, match="'numba' needs the package numba; 'torch' runs without it"):
        selective_scan_numba(**make_inputs(dtype=torch.float32))


@pytest.mark.parametrize("options", [{"dtype": torch.float64}, {"dtype": torch.float32, "device": "meta"}])
def test_what_it_cannot_take(options):
    with pytest.raises(ValueError, match=r"takes CPU tensors of at most 32 bits, x is of torch.float\d\d on \w+"):
        selective_scan_numba(**make_inputs(**options))


def test_numba_is_imported_late():
    """It takes longer than the import of the whole package would without it."""
    code = "import sys, transformers_mvgpt.modeling.modeling_videomamba; print('numba' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "False\n"
