# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Compiled parts of a transformer's layers, against the operations of PyTorch that they stand for."""

import math

import pytest
import torch
from torch.nn.functional import gelu, silu
from transformers.activations import QuickGELUActivation
from transformers.models.qwen2.modeling_qwen2 import Qwen2RMSNorm

from transformers_mvgpt.kernels import gates, numba_elementwise
from transformers_mvgpt.kernels.fast_paths_video import FastVideoPaths
from transformers_mvgpt.kernels.numba_elementwise import add_and_normalize, gelu_tanh, quick_gelu, silu_times
from transformers_mvgpt.modeling.modeling_videomamba import VideoMambaRMSNorm


pytest.importorskip("numba")
SHAPES = [(1, 1), (2, 3, 37), (5, 128), (1, 19, 300)]
DTYPES = [torch.float32, torch.bfloat16]
pytestmark = [
    pytest.mark.usefixtures("threads"),
    pytest.mark.parametrize("shape", SHAPES, ids=str),
]


@pytest.fixture(params=[1, 3, None], ids=["1 thread", "3 threads", "alone"])
def threads(request, monkeypatch):
    before = torch.get_num_threads()
    if request.param is not None:
        torch.set_num_threads(request.param)
        monkeypatch.setattr(numba_elementwise, "_MOST_VALUES_ALONE", 0)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def make(shape, dtype, factor=1.0):
    return (factor * torch.randn(shape)).to(dtype)


def assert_same(found, expected):
    """In bfloat16, too: both round at the same places, where a value on the edge may fall to either side."""
    assert found.dtype == expected.dtype
    if found.dtype == torch.bfloat16:
        assert (found != expected).float().mean() < 0.01
        torch.testing.assert_close(found, expected, rtol=2**-7, atol=0)
    else:
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)


@torch.no_grad()
@pytest.mark.parametrize("has_update", [True, False])
@pytest.mark.parametrize("dtype", DTYPES)
def test_norm_of_qwen2(shape, dtype, has_update):
    norm = Qwen2RMSNorm(shape[-1], eps=1e-5).to(dtype)
    norm.weight.copy_(make(shape[-1:], dtype))
    hidden, update = make(shape, dtype, 3), make(shape, dtype)
    expected = hidden + update if has_update else hidden.clone()
    found = add_and_normalize(hidden, update if has_update else None, norm.weight, norm.variance_epsilon)
    assert torch.equal(hidden, expected)
    assert_same(found, norm(expected))


@torch.no_grad()
@pytest.mark.parametrize("weight_dtype", DTYPES)
@pytest.mark.parametrize("hidden_dtype", [*DTYPES, torch.float64])
def test_norm_of_videomamba(monkeypatch, shape, hidden_dtype, weight_dtype):
    norm = VideoMambaRMSNorm(shape[-1], eps=1e-5).to(weight_dtype).eval()
    norm.weight.copy_(make(shape[-1:], weight_dtype))
    hidden = make(shape, hidden_dtype, 3)
    calls = []
    monkeypatch.setattr(FastVideoPaths, "add_and_normalize", lambda *args: calls.append(1) or add_and_normalize(*args))
    before, found = hidden.clone(), norm(hidden)
    assert torch.equal(hidden, before)
    assert len(calls) == (hidden_dtype != torch.float64)
    in_training = norm.train()(hidden)
    assert len(calls) == (hidden_dtype != torch.float64)
    monkeypatch.setattr(gates, "has_numba", False)
    expected = norm.eval()(hidden)
    assert_same(found, expected)
    assert torch.equal(in_training, expected)


@torch.no_grad()
def test_not_a_number_stays_one(shape):
    all_ones = torch.full(shape, 0x7FFFFFFF, dtype=torch.int32).view(torch.float32)
    assert add_and_normalize(all_ones, None, make(shape[-1:], torch.bfloat16), 1e-5).isnan().all()


@torch.no_grad()
@pytest.mark.parametrize("dtype", DTYPES)
def test_silu_times(shape, dtype):
    gate, up = make(shape, dtype, 5), make(shape, dtype)
    expected = silu(gate) * up
    found = silu_times(gate, up)
    assert found is gate
    assert_same(found, expected)


@torch.no_grad()
@pytest.mark.parametrize("dtype", DTYPES)
def test_gelu_tanh(shape, dtype):
    x, halves = make(shape, dtype, 2), make((*shape, 2), dtype)[..., 0]  # the second is not contiguous
    for values in (x, halves):
        exact = values.double()
        # PyTorch's loses the digits of negative values, also in float64
        sigmoids = (math.sqrt(8 / math.pi) * (exact + 0.044715 * exact**3)).sigmoid()
        assert_same(gelu_tanh(values), (exact * sigmoids).to(dtype))
        torch.testing.assert_close(exact * sigmoids, gelu(exact, approximate="tanh"), rtol=1e-6, atol=1e-15)


@torch.no_grad()
@pytest.mark.parametrize("dtype", DTYPES)
def test_quick_gelu(shape, dtype):
    x = make(shape, dtype, 5)
    before, found = x.clone(), quick_gelu(x.mT.contiguous().mT)
    assert torch.equal(x, before)
    assert_same(found, QuickGELUActivation()(x))
