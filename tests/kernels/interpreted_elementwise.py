# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
Element-wise ops as Triton kernels, against the operations of PyTorch that they stand for. test_triton_elementwise.py runs these tests
in a process of their own: in Triton's interpreter, on CPU, or compiled, on a GPU.
"""

import pytest
import torch
from torch import nn
from torch.nn.functional import silu
from transformers.activations import QuickGELUActivation
from transformers.models.qwen2.modeling_qwen2 import Qwen2RMSNorm, apply_rotary_pos_emb

from transformers_mvgpt.kernels.triton_elementwise import (
    add_and_layer_norm,
    add_and_normalize,
    quick_gelu,
    rotate,
    silu_times,
)
from transformers_mvgpt.modeling.modeling_videomamba import VideoMambaRMSNorm
from triton_runs import DEVICE, IS_INTERPRETED


# the interpreter cuts bfloat16 off where a GPU rounds
DTYPES = [torch.float32, torch.float16, *([] if IS_INTERPRETED else [torch.bfloat16])]
SHAPES = [(1, 1), (2, 3, 37), (5, 128), *([] if IS_INTERPRETED else [(2432, 896), (16, 197, 768), (300, 8960)])]
of_shapes = pytest.mark.parametrize("shape", SHAPES, ids=str)
of_dtypes = pytest.mark.parametrize("dtype", DTYPES, ids=str)


def make(shape, dtype, factor=1.0):
    return (factor * torch.randn(shape)).to(DEVICE, dtype)


def assert_same(found, expected):
    """In 16 bits, too: both round at the same places, where a value on the edge may fall to either side."""
    assert found.dtype == expected.dtype
    if found.dtype == torch.float32:
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)
    else:
        assert (found != expected).float().mean() < 0.02
        torch.testing.assert_close(found, expected, rtol=2 * torch.finfo(found.dtype).eps, atol=1e-6)


@torch.no_grad()
@of_shapes
@of_dtypes
@pytest.mark.parametrize("has_update", [True, False])
def test_norm_of_qwen2(shape, dtype, has_update):
    norm = Qwen2RMSNorm(shape[-1], eps=1e-5).to(DEVICE, dtype)
    norm.weight.copy_(make(shape[-1:], dtype))
    hidden, update = make(shape, dtype, 3), make(shape, dtype)
    expected = hidden + update if has_update else hidden.clone()
    found = add_and_normalize(hidden, update if has_update else None, norm.weight, norm.variance_epsilon)
    assert torch.equal(hidden, expected)
    assert_same(found, norm(expected))


@torch.no_grad()
@of_shapes
@of_dtypes
def test_norm_of_videomamba(shape, dtype):
    """Its residual stays in float32."""
    norm = VideoMambaRMSNorm(shape[-1], eps=1e-5).to(DEVICE, dtype).train()  # where it is plain
    norm.weight.copy_(make(shape[-1:], dtype))
    hidden, update = make(shape, torch.float32, 3), make(shape, dtype)
    expected = hidden + update
    found = add_and_normalize(hidden, update, norm.weight, norm.eps)
    assert torch.equal(hidden, expected)
    assert_same(found, norm(expected))


@torch.no_grad()
@of_shapes
@of_dtypes
@pytest.mark.parametrize("has_update", [True, False])
def test_layer_norm(shape, dtype, has_update):
    norm = nn.LayerNorm(shape[-1], eps=1e-5).to(DEVICE, dtype)
    for parameter in norm.parameters():
        parameter.copy_(make(shape[-1:], dtype))
    hidden, update = make(shape, dtype, 3) + 2, make(shape, dtype)
    expected = hidden + update if has_update else hidden.clone()
    found = add_and_layer_norm(hidden, update if has_update else None, norm.weight, norm.bias, norm.eps)
    assert torch.equal(hidden, expected)
    expected = norm.float()(expected.float())
    assert found.dtype == dtype
    # a sum may cancel
    torch.testing.assert_close(found.float(), expected, rtol=torch.finfo(dtype).eps, atol=1e-5)


@torch.no_grad()
@of_shapes
@of_dtypes
def test_silu_times(shape, dtype):
    gate, up = make(shape, dtype, 5), make(shape, dtype)
    expected = silu(gate) * up
    found = silu_times(gate, up)
    assert found is gate
    assert_same(found, expected)


@torch.no_grad()
@of_shapes
@of_dtypes
def test_quick_gelu(shape, dtype):
    x = make(shape, dtype, 5)
    before, found = x.clone(), quick_gelu(x.mT.contiguous().mT)
    assert torch.equal(x, before)
    assert_same(found, QuickGELUActivation()(x))


@torch.no_grad()
def test_shapes_that_do_not_fit():
    """They would read what lies behind a tensor."""
    x, weight = make((2, 3, 8), torch.float32), make((8,), torch.float32)
    with pytest.raises(
        ValueError, match=r"norm of 8 values cannot add \(2, 1, 8\) to hidden states of the shape \(2, 3, 8\)"
    ):
        add_and_normalize(x, x[:, :1].contiguous(), weight, 1e-5)
    with pytest.raises(
        ValueError, match=r"norm of 7 values cannot add None to hidden states of the shape \(2, 3, 8\)"
    ):
        add_and_layer_norm(x, None, weight[:7], weight[:7], 1e-5)
    with pytest.raises(ValueError, match=r"gate \(2, 3, 8\) and up \(2, 3, 1\) must have the same shape"):
        silu_times(x, x[..., :1].contiguous())
    angles, places = make((1, 3, 4), torch.float32), make((2, 2, 3, 4), torch.float32)
    with pytest.raises(ValueError, match=r"they must be \(2, 3, 8\), \(2, 3, 8\) and \(2, 3, 8\)"):
        rotate(x, x, x[..., :4].contiguous(), angles, angles, places, places)
    with pytest.raises(
        ValueError, match=r"cosine \(1, 2, 4\) and sine \(1, 2, 4\) must have the shape \(1 or 2, 3, 4\)"
    ):
        rotate(x, x, x, angles[:, :2], angles[:, :2], places, places)


@torch.no_grad()
@of_dtypes
@pytest.mark.parametrize("shared_positions", [True, False])
@pytest.mark.parametrize(
    "size",
    [(2, 3, 4, 2, 8), (1, 5, 3, 1, 10), *([] if IS_INTERPRETED else [(1, 2432, 14, 2, 64), (2, 300, 12, 2, 128)])],
    ids=str,
)
def test_rotary_embedding(size, shared_positions, dtype):
    samples, length, heads, key_heads, width = size
    queries = make((samples, length, heads * width), dtype)
    keys, values = (make((samples, length, key_heads * width), dtype) for _ in range(2))
    cosine, sine = (make((1 if shared_positions else samples, length, width), dtype) for _ in range(2))
    in_heads = [x.unflatten(-1, (-1, width)).transpose(1, 2).clone() for x in (queries, keys, values)]
    expected = apply_rotary_pos_emb(*in_heads[:2], cosine, sine)
    # into a longer cache
    places = make((2, samples, key_heads, length + 2, width), dtype)
    untouched = places[..., length:, :].clone()
    before = keys.clone(), values.clone()
    rotate(queries, keys, values, cosine, sine, places[0, :, :, :length], places[1, :, :, :length])
    assert_same(queries.unflatten(-1, (-1, width)).transpose(1, 2), expected[0])
    assert_same(places[0, :, :, :length], expected[1])
    assert torch.equal(places[1, :, :, :length], in_heads[2])
    assert torch.equal(places[..., length:, :], untouched)
    assert torch.equal(keys, before[0]) and torch.equal(values, before[1])
