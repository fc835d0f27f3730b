# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
The mixer's inner part as Triton kernels, against plain PyTorch. test_triton_scan.py runs these tests in a process of
their own: in Triton's interpreter, on CPU, or compiled, on a GPU.
"""

import pytest
import torch

from mixer_cases import (
    TOLERANCES,
    assert_scan_close,
    convolved,
    make_convolution,
    make_scans,
    scanned_both_ways,
)
from transformers_mvgpt import VideoMambaConfig, VideoMambaModel
from transformers_mvgpt.kernels import gates, triton_mixer
from transformers_mvgpt.kernels.triton_mixer import convolve, scan_both_ways
from triton_runs import DEVICE, IS_INTERPRETED, use_small_blocks


HALF = torch.float16 if IS_INTERPRETED else torch.bfloat16  # the interpreter cuts bfloat16 off where a GPU rounds
SIZES = [(1, 1, 8), (2, 13, 6), (1, 5, 40)]
needs_a_gpu = pytest.mark.skipif(IS_INTERPRETED, reason="takes the interpreter minutes")


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    use_small_blocks(monkeypatch)


@pytest.mark.parametrize("dtype", [torch.float32, HALF], ids=str)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("is_backward", [False, True])
def test_convolution(size, dtype, is_backward):
    x, weight, bias = make_convolution(size, dtype, DEVICE)
    found = convolve(x, weight, bias, is_backward)
    assert found.dtype == dtype
    torch.testing.assert_close(found.float(), convolved(x, weight, bias, is_backward), **TOLERANCES[dtype])


@pytest.mark.parametrize("states", [5, 8])
@pytest.mark.parametrize("size", SIZES)
def test_scan_both_ways(size, states):
    scans = make_scans(size, states, torch.float32, DEVICE)
    assert_scan_close(scan_both_ways(*scans), scanned_both_ways(*scans), torch.float32)


def test_scan_of_half_precision():
    """Each direction is rounded before they are added."""
    scans = make_scans(SIZES[1], 4, HALF, DEVICE)
    found, wanted = scan_both_ways(*scans), scanned_both_ways(*scans)
    assert found.dtype == HALF
    assert (found.float() - wanted).norm() <= torch.finfo(HALF).eps * wanted.norm()


@needs_a_gpu
@pytest.mark.parametrize("batch", [1, 8, 32], ids=["many segments", "some", "one"])
def test_published_width(batch):
    scans = make_scans((batch, 197, 1152), 16, torch.float32, DEVICE)
    assert_scan_close(scan_both_ways(*scans), scanned_both_ways(*scans), torch.float32)


def make_model():
    config = {"hidden_size": 12, "num_hidden_layers": 2, "image_size": 32, "num_frames": 2, "clip_decoder_size": None}
    return VideoMambaModel(VideoMambaConfig(**config, scan_implementation="triton")).eval().to(DEVICE)


def test_model_is_that_of_plain_pytorch(monkeypatch):
    model, frames = make_model(), torch.randn(1, 2, 3, 32, 32).to(DEVICE)
    calls = []
    scan = triton_mixer.walk_tokens
    monkeypatch.setattr(triton_mixer, "walk_tokens", lambda *a, **k: calls.append(1) or scan(*a, **k))
    with torch.no_grad():
        found = model(frames).last_hidden_state
        assert len(calls) == 2
        model.config.scan_implementation = "torch"
        torch.testing.assert_close(found, model(frames).last_hidden_state, rtol=1e-4, atol=1e-5)
    assert len(calls) == 2


def test_gradients_are_those_of_plain_pytorch():
    model, frames = make_model(), torch.randn(1, 1, 3, 32, 32).to(DEVICE)
    model.clip_decoder = torch.nn.ModuleList()
    model.embeddings.temporal_pos_embedding.requires_grad_(False)  # a single image has no time
    grads = {}
    for implementation in ("triton", "torch"):
        model.config.scan_implementation = implementation
        model.zero_grad()
        model(frames).last_hidden_state.square().sum().backward()
        grads[implementation] = {name: p.grad for name, p in model.named_parameters() if p.requires_grad}
    for name, wanted in grads["torch"].items():
        assert (grads["triton"][name] - wanted).norm() <= 1e-4 * wanted.norm() + 1e-6, name


def test_float64_goes_the_plain_way():
    assert gates._mixer_kernels("triton", DEVICE, torch.float64) is None
    assert gates._mixer_kernels("triton", DEVICE, torch.float16) is not None
    assert gates._mixer_kernels("torch", DEVICE, torch.float32) is None
