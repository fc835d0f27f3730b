# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Weights in 8 and 4 bits on CPUs, against plain PyTorch on what they stand for."""

import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from decode_steps import assert_same_cache, decode, decode_on_cpu, decode_plainly, make_token, read_prompt
from tiny_models import tiny_language_model
from transformers_mvgpt.compat.cache_name import CACHE_NAME
from transformers_mvgpt.kernels import gates, numba_block_intrinsics, quantized_linear
from transformers_mvgpt.kernels.numba_compile import CompiledFunctions
from transformers_mvgpt.kernels.numba_packed_weights import (
    BLOCK_ROWS,
    _group_rows,
    _multiply_some,
    floats_of_grouped,
    group_values,
    multiply_blocks,
    multiply_packed,
    pack,
    packed_shape,
    unpack,
)
from transformers_mvgpt.kernels.quantized_linear import QuantizedEmbedding, QuantizedLinear, unpack_plainly


pytest.importorskip("numba")
BITS = pytest.mark.parametrize("bits", [8, 4])
SHAPES = pytest.mark.parametrize("shape", [(1, 1), (16, 32), (40, 70), (300, 96)], ids=str)
# A token's numbers are rounded to 16 bits, of the largest of 32.
TOLERANCE = {"rtol": 1e-4, "atol": 1e-4}


@pytest.fixture(params=[1, 3])
def num_threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def randn(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def whole(packed, shape):
    """The matrix that was packed, as it is stored."""
    return unpack_plainly(packed).flatten(2).flatten(0, 1)[: shape[0], : shape[1]]


def make_linear(shape, bits, dtype=torch.float32, bias=True):
    linear = nn.Linear(*reversed(shape), bias=bias, dtype=dtype)
    return linear, QuantizedLinear.from_linear(linear, bits)


@BITS
@SHAPES
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
def test_packed_weights_are_near(shape, bits, dtype, num_threads):
    weight = randn(*shape).to(dtype)
    packed = pack(weight, bits)
    assert packed.shape == packed_shape(*shape, bits)
    groups = F.pad(weight.float(), (0, -shape[1] % 32)).unflatten(1, (-1, 32))
    errors = F.pad((whole(packed, shape) - weight.float()).abs(), (0, -shape[1] % 32)).unflatten(1, (-1, 32))
    lowest, highest = groups.amin(-1), groups.amax(-1)
    # half a step, and what bfloat16 makes of it
    step = groups.abs().amax(-1) / 127 if bits == 8 else (highest - lowest.clamp(max=0)) / 15
    assert (errors.amax(-1) <= 0.51 * step + 0.01 * lowest.abs() * (bits == 4) + 1e-6).all()


@BITS
def test_zeros_stay_and_extremes_fit(bits):
    weight = torch.zeros(16, 64)
    weight[1, :32] = torch.linspace(-1e36, 1e36, 32)
    weight[2, :32] = 1e-38
    found = whole(pack(weight, bits), weight.shape)
    assert torch.equal(found[[0, *range(3, 16)]], weight[[0, *range(3, 16)]])
    assert found.isfinite().all()
    weight[3, 5], weight[4, 40] = torch.nan, torch.inf
    found = whole(pack(weight, bits), weight.shape)
    assert found[3, :32].isnan().all()
    assert found[4, 32:].isnan().all()
    assert found[3, 32:].isfinite().all()


@BITS
@SHAPES
def test_unpacked_by_numba(shape, bits, num_threads):
    packed = pack(randn(*shape), bits)
    for dtype in (torch.float32, torch.bfloat16):
        found = unpack(packed, dtype).T[: shape[0], : shape[1]]
        assert torch.equal(found, whole(packed, shape).to(dtype))


@BITS
@SHAPES
@pytest.mark.parametrize("num_rows", [1, 2, 16, 17])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@torch.no_grad()
def test_linear_layer(shape, bits, num_rows, dtype, num_threads):
    linear, quantized = make_linear(shape, bits, dtype)
    x = randn(num_rows, 1, shape[1]).to(dtype)
    found = quantized(x)
    assert found.shape == (num_rows, 1, shape[0])
    assert found.dtype == dtype
    exact = F.linear(x.float(), whole(quantized.weight, shape), linear.bias.float())
    tolerance = TOLERANCE if dtype == torch.float32 else {"rtol": 2e-2, "atol": 2e-2}
    torch.testing.assert_close(found.float(), exact, **tolerance)


@BITS
def test_what_is_not_finite_stays_so(bits):
    x = randn(2, 64)
    x[1, 40] = torch.nan
    found = multiply_packed(pack(randn(20, 64), bits), x, 20)
    assert found[0].isfinite().all()
    assert found[1].isnan().all()


@BITS
@pytest.mark.parametrize("feature", ["avx512bw", "avx2", ""])
def test_instructions_of_other_cpus(bits, feature, monkeypatch):
    """The same sums, from the instructions for other x86 CPUs, and from those of any."""
    if feature and not numba_block_intrinsics.compiles_for(feature):
        pytest.skip(f"this CPU has no {feature}")
    monkeypatch.setattr(numba_block_intrinsics, "compiles_for", lambda name: name == feature)
    numba_block_intrinsics.block_functions.cache_clear()
    try:
        functions = CompiledFunctions(
            (_group_rows, _multiply_some), (group_values, multiply_blocks), fastmath={"contract", "nsz", "reassoc"}
        )
        weight, x = randn(40, 70), randn(2, 70).numpy()
        packed = pack(weight, bits)
        found, grouped = np.empty((2, 40), np.float32), np.empty((2, floats_of_grouped(70)), np.float32)
        # not what is on disk, which is of this CPU
        functions._group_rows.py_func.__globals__["group_values"].py_func(x[0], grouped[0])
        functions._group_rows(x, grouped)
        functions._multiply_some(bits, packed.data_ptr(), 70, grouped, found, 0, len(packed))
    finally:
        numba_block_intrinsics.block_functions.cache_clear()
    assert BLOCK_ROWS * len(packed) == 48
    torch.testing.assert_close(torch.from_numpy(found), multiply_packed(packed, torch.from_numpy(x), 40))


@BITS
def test_embedding(bits):
    embedding = nn.Embedding(50, 70)
    quantized = QuantizedEmbedding.from_embedding(embedding, bits)
    ids = torch.tensor([[0, 49, 17], [3, 3, 31]])
    assert torch.equal(quantized(ids), whole(quantized.weight, (50, 70))[ids])
    assert quantized.bfloat16()(ids).dtype == torch.bfloat16
    assert quantized(ids[:, :0]).shape == (2, 0, 70)
    for wrong in (50, -1):
        with pytest.raises(IndexError, match="index out of range in self"):
            quantized(torch.tensor([wrong]))


@BITS
def test_plain_where_compiled_code_is_not_for(bits, monkeypatch):
    linear, quantized = make_linear((40, 70), bits)
    x = randn(2, 70).requires_grad_()
    expected = F.linear(x, whole(quantized.weight, (40, 70)), linear.bias)
    expected.sum().backward()
    gradient, x.grad = x.grad, None

    def refuse(*args):
        raise AssertionError

    monkeypatch.setattr(quantized_linear, "multiply_packed", refuse)
    monkeypatch.setattr(quantized_linear, "unpack", refuse)
    found = quantized(x)
    found.sum().backward()
    torch.testing.assert_close((found, x.grad), (expected, gradient))
    with torch.no_grad():
        torch.testing.assert_close(quantized(x.double()).float(), expected)
        monkeypatch.setattr(gates, "has_numba", False)
        with pytest.raises(RuntimeError, match="shape"):
            quantized(x[:, :60])
        torch.testing.assert_close(quantized(x), expected)
        with torch.autocast("cpu", torch.bfloat16):
            assert quantized(x).dtype == torch.bfloat16


@BITS
def test_large_matrices_are_unpacked_in_parts(bits, monkeypatch):
    linear, quantized = make_linear((70, 64), bits)
    x = randn(20, 64)
    with torch.no_grad():
        expected = quantized(x)
        monkeypatch.setattr(quantized_linear, "_MOST_WEIGHTS", 32 * 64)
        torch.testing.assert_close(quantized(x), expected)


def quantize(model, bits):
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if type(child) is nn.Linear:
                setattr(parent, name, QuantizedLinear.from_linear(child, bits))
    return model


@BITS
@pytest.mark.parametrize(
    "fields", [{}, {"family": "llama", "attention_bias": True}, {"hidden_size": 96, "intermediate_size": 100}], ids=str
)
def test_compiled_step(bits, fields, num_threads):
    model = tiny_language_model(**fields)
    quantize(model, bits)
    cache = read_prompt(model, 20)
    expected_cache = copy.deepcopy(cache)
    for seed in range(2):
        token = make_token(model, seed)
        expected = decode_plainly(model, token, expected_cache)
        torch.testing.assert_close(decode(model, token, cache), expected, rtol=1e-4, atol=2e-4)
    assert_same_cache(cache, expected_cache, rtol=1e-4, atol=2e-4)


CHANGES = {
    "a layer that is not quantized": lambda layer: setattr(layer.mlp, "up_proj", nn.Linear(24, 38, bias=False)),
    "other bits": lambda layer: setattr(layer.mlp, "up_proj", make_linear((38, 24), 4, bias=False)[1]),
    "another size": lambda layer: setattr(layer.mlp, "up_proj", make_linear((99, 24), 8, bias=False)[1]),
    "a bias": lambda layer: setattr(layer.mlp, "up_proj", make_linear((38, 24), 8)[1]),
    "a hook": lambda layer: layer.mlp.up_proj.register_forward_hook(lambda *_: None),
    "a bias in another dtype": lambda layer: layer.self_attn.q_proj.double(),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_changed_language_model_runs_itself(change):
    model = quantize(tiny_language_model(intermediate_size=38), 8)
    token = make_token(model)
    with torch.no_grad():
        assert decode_on_cpu(model, token, use_cache=True, **{CACHE_NAME: read_prompt(model, 4)}) is not None
        cache = read_prompt(model, 4)
        change(model.layers[1])
        assert decode_on_cpu(model, token, use_cache=True, **{CACHE_NAME: cache}) is None
