# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Products of a single row, against the linear layers whose place they take."""

import pytest
import torch
from torch.nn import functional as F

from tiny_models import tiny_model
from transformers_mvgpt.kernels import gates, one_row_linear
from transformers_mvgpt.kernels.one_row_linear import OneRowProducts


@pytest.fixture
def products(monkeypatch):
    """The shapes of the rows that were multiplied by the package itself."""
    shapes, multiply = [], one_row_linear._multiply

    def record(x, *others):
        shapes.append(tuple(x.shape))
        return multiply(x, *others)

    monkeypatch.setattr(one_row_linear, "_multiply", record)
    return shapes


@pytest.mark.parametrize("with_numba", [True, False])
@pytest.mark.parametrize("shape", [(24,), (1, 24), (1, 1, 24)])
@pytest.mark.parametrize("has_bias", [True, False])
def test_same_as_linear_layer(shape, has_bias, with_numba, products, monkeypatch):
    if with_numba:
        pytest.importorskip("numba")
    monkeypatch.setattr(gates, "has_numba", with_numba)
    torch.manual_seed(0)
    layer = torch.nn.Linear(24, 40, bias=has_bias, dtype=torch.bfloat16)
    x = torch.randn(shape, dtype=torch.bfloat16)
    exact = F.linear(x.double(), layer.weight.double(), layer.bias.double() if has_bias else None)
    with torch.no_grad(), OneRowProducts():
        found = layer(x)
    assert products == [shape]
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.double(), exact, rtol=2**-8, atol=1e-6)  # one rounding


@pytest.mark.parametrize(
    ("shape", "dtype", "with_gradients"),
    [((2, 8), torch.bfloat16, False), ((1, 8), torch.float32, False), ((1, 8), torch.bfloat16, True)],
    ids=["two rows", "float32", "gradients"],
)
def test_everything_else_stays(shape, dtype, with_gradients, products):
    layer, x = torch.nn.Linear(8, 8, dtype=dtype), torch.randn(shape, dtype=dtype)
    with torch.set_grad_enabled(with_gradients), OneRowProducts():
        found = layer(x)
    assert products == []
    assert torch.equal(found, layer(x))
    assert found.requires_grad == with_gradients


@pytest.mark.parametrize("columns", [8, 9])
def test_wrong_sizes_are_refused_and_not_read(columns):
    weight, bias = torch.zeros(4, 8, dtype=torch.bfloat16), torch.zeros(3, dtype=torch.bfloat16)
    with torch.no_grad(), OneRowProducts(), pytest.raises(RuntimeError, match="size"):
        F.linear(torch.zeros(1, columns, dtype=torch.bfloat16), weight, bias)


def test_other_layouts(products):
    weight, x = torch.randn(8, 4, dtype=torch.bfloat16).T, torch.randn(1, 8, dtype=torch.bfloat16)
    expected = F.linear(x.double(), weight.double())
    with torch.no_grad(), OneRowProducts():
        torch.testing.assert_close(F.linear(x, weight).double(), expected, rtol=2**-8, atol=1e-6)
    assert products == [(1, 8)]


def test_generation_uses_it_for_every_token_after_the_first(products, monkeypatch):
    monkeypatch.setattr(gates, "has_numba", False)  # there is a compiled step otherwise
    model = tiny_model().to(torch.bfloat16)
    ids = torch.randint(3, 30, (1, 5))
    model.generate(ids, max_new_tokens=3, min_new_tokens=3, do_sample=False)
    config = model.config.text_config
    # of a layer, q, k, v, o, gate, up and down; the head for the first token as well
    assert len(products) == 2 * 7 * config.num_hidden_layers + 3


def test_compiled_generation_is_the_same(monkeypatch):
    monkeypatch.setattr(gates, "has_numba", False)
    model = tiny_model().to(torch.bfloat16)
    ids = torch.randint(3, 30, (1, 5))
    options = {"max_new_tokens": 3, "min_new_tokens": 3, "do_sample": False, "output_logits": True}
    plain = model.generate(ids, return_dict_in_generate=True, **options)
    torch.compiler.reset()
    model.forward = torch.compile(model.forward, backend="eager", fullgraph=True)
    compiled = model.generate(ids, return_dict_in_generate=True, **options)
    torch.compiler.reset()
    torch.testing.assert_close(torch.cat(compiled.logits), torch.cat(plain.logits))
