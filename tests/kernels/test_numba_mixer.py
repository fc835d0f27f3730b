# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The mixer's inner part compiled by numba, against plain PyTorch."""

import pytest
import torch

from mixer_cases import (
    assert_scan_close,
    make_scans,
    scanned_both_ways,
)
from transformers_mvgpt import VideoMambaConfig, VideoMambaModel
from transformers_mvgpt.kernels import numba_mixer
from transformers_mvgpt.kernels.numba_mixer import scan_both_ways


pytest.importorskip("numba")

SIZES = [(1, 1, 64), (2, 37, 150), (1, 5, 200), (3, 8, 4)]


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("size", SIZES)
def test_scan_both_ways(size, dtype):
    scans = make_scans(size, states=5, dtype=dtype)
    assert_scan_close(scan_both_ways(*scans), scanned_both_ways(*scans), dtype)


CONFIG = {"hidden_size": 24, "num_hidden_layers": 2, "image_size": 32, "num_frames": 2, "clip_decoder_size": None}


@pytest.fixture
def model():
    torch.manual_seed(0)
    return VideoMambaModel(VideoMambaConfig(**CONFIG)).eval()


@pytest.fixture
def calls(monkeypatch):
    """How often the compiled part ran."""
    calls = []

    def counted(*arguments):
        calls.append(1)
        return scan_both_ways(*arguments)

    monkeypatch.setattr(numba_mixer, "scan_both_ways", counted)
    return calls


def run(model, implementation, frames):
    model.config.scan_implementation = implementation
    with torch.no_grad():
        return model(frames).last_hidden_state


def test_model_is_that_of_plain_pytorch(model, calls):
    frames = torch.randn(2, 2, 3, 32, 32)
    found = run(model, "auto", frames)
    assert len(calls) == 2
    torch.testing.assert_close(found, run(model, "torch", frames), rtol=1e-4, atol=1e-5)
    assert len(calls) == 2


def test_model_in_bfloat16_is_as_near_to_float32_as_plain_pytorch(model, calls):
    frames = torch.randn(2, 2, 3, 32, 32)
    exact = run(model, "torch", frames)
    errors = {
        name: (run(model.bfloat16(), name, frames.bfloat16()).float() - exact).abs().mean()
        for name in ("torch", "auto")
    }
    assert len(calls) == 2
    assert errors["auto"] < 1.1 * errors["torch"]


def test_weights_can_be_resized_afterwards(model, calls):
    """As FSDP does: where NumPy has seen a weight, it could not."""
    run(model, "auto", torch.randn(1, 2, 3, 32, 32))
    assert calls
    assert all(parameter.untyped_storage().resizable() for parameter in model.parameters())


@pytest.mark.parametrize("case", ["gradient", "autocast", "float64", "torch", "float16", "adapter"])
def test_everything_else_goes_the_plain_way(model, calls, case):
    frames = torch.randn(1, 2, 3, 32, 32)
    if case == "torch":
        model.config.scan_implementation = "torch"
    if case == "adapter":
        for layer in model.layers:
            layer.mixer.conv1d = torch.nn.utils.parametrizations.weight_norm(layer.mixer.conv1d)
    dtype = {"float64": torch.float64, "float16": torch.float16}.get(case, torch.float32)
    model.to(dtype)
    with torch.set_grad_enabled(case == "gradient"), torch.autocast("cpu", enabled=case == "autocast"):
        model(frames.to(dtype))
    assert not calls


def test_frozen_weights_under_gradients_are_compiled_too(model, calls):
    model.requires_grad_(False)
    model(torch.randn(1, 2, 3, 32, 32))
    assert len(calls) == 2
