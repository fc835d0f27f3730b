# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The compiled attention of a prefill and of image encoders, against float64 and PyTorch's own."""

import copy

import pytest
import torch
from torch.nn import functional as F

from tiny_models import tiny_language_model
from transformers_mvgpt.compat.cache_name import CACHE_NAME
from transformers_mvgpt.kernels import compiled_functional, gates_language_model, numba_intrinsics, prefill
from transformers_mvgpt.kernels.compiled_functional import CompiledFunctional


pytest.importorskip("numba")


@pytest.fixture(autouse=True)
def suitable_cpu(monkeypatch):
    """As if it was one. Where it is not, other instructions do the same."""
    monkeypatch.setattr(gates_language_model, "has_bfloat16_products", lambda: True)
    monkeypatch.setattr(gates_language_model, "has_tile_products", lambda: False)


@pytest.fixture
def calls(monkeypatch):
    """The shapes of queries that came to the compiled attention."""
    shapes, attend = [], compiled_functional.attend
    monkeypatch.setattr(compiled_functional, "attend", lambda q, *rest: shapes.append(q.shape) or attend(q, *rest))
    return shapes


def make_inputs(num_queries=70, num_keys=None, heads=(4, 2), width=32, batch=1, seed=0):
    generator = torch.Generator().manual_seed(seed)
    num_keys = num_queries if num_keys is None else num_keys
    query = torch.randn(batch, num_queries, heads[0], width, generator=generator).transpose(1, 2)
    key, value = (torch.randn(batch, heads[1], num_keys, width, generator=generator) for _ in range(2))
    return [2 * tensor.bfloat16() for tensor in (query, key, value)]


def make_mask(num_queries, num_keys, num_padded):
    """Of a batch whose sequences begin with so much padding."""
    causal = torch.ones(num_queries, num_keys, dtype=torch.bool).tril(num_keys - num_queries)
    is_token = torch.arange(num_keys) >= torch.tensor(num_padded)[:, None]
    return causal[None, None] & is_token[:, None, None]


@torch.no_grad()
def attend(*tensors, **options):
    with CompiledFunctional():
        return F.scaled_dot_product_attention(*tensors, **options)


@torch.no_grad()
def errors_of_both(tensors, **options):
    exact = F.scaled_dot_product_attention(*(tensor.double() for tensor in tensors), **options)
    found = attend(*tensors, **options)
    plain = F.scaled_dot_product_attention(*tensors, **options)
    assert found.shape == plain.shape and found.dtype == plain.dtype
    return ((result - exact).nan_to_num().square().mean().sqrt() for result in (found, plain))


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("is_causal", [True, False], ids=["causal", "all keys"])
@pytest.mark.parametrize(
    "sizes",
    [
        {},
        {"num_queries": 131, "heads": (14, 2), "width": 64, "batch": 2},
        {"num_queries": 1100, "heads": (3, 1)},
        {"num_queries": 64, "heads": (2, 2), "width": 128},
        {"num_queries": 68, "heads": (2, 2), "width": 72},
        {"num_queries": 64, "heads": (1, 1), "width": 2},
        {"num_queries": 65, "num_keys": 90},
        {"num_queries": 90, "num_keys": 65},
    ],
    ids=str,
)
def test_as_exact_as_sdpa(sizes, is_causal, calls):
    tensors = make_inputs(**sizes)
    found, plain = errors_of_both(tensors, is_causal=is_causal, enable_gqa=True, scale=0.3)
    assert calls == [tensors[0].shape]
    assert found < 1.2 * plain


@pytest.mark.parametrize(
    ("num_queries", "num_keys", "num_padded"),
    [(70, 70, [3, 20]), (65, 1100, [700, 0]), (64, 65, [0])],
    ids=["padding", "more padding than a block of keys, and cached keys", "a mask for all"],
)
def test_masks(num_queries, num_keys, num_padded, calls):
    tensors = make_inputs(num_queries, num_keys, heads=(3, 3), batch=2)
    mask = make_mask(num_queries, num_keys, num_padded)
    is_seen = mask.any(-1, keepdim=True)
    exact = F.scaled_dot_product_attention(*(tensor.double() for tensor in tensors), attn_mask=mask)
    plain, found = F.scaled_dot_product_attention(*tensors, attn_mask=mask), attend(*tensors, attn_mask=mask)
    assert len(calls) == 1
    own_error, plain_error = ((result - exact).where(is_seen, 0).square().mean().sqrt() for result in (found, plain))
    assert own_error < 1.2 * plain_error
    assert (found.where(~is_seen, 0) == 0).all()  # a query that sees nothing


def test_keys_that_are_hidden_may_be_anything():
    tensors = make_inputs(64, 64, heads=(2, 2))
    mask = make_mask(64, 64, [9])
    expected = attend(*tensors, attn_mask=mask)
    for tensor in tensors[1:]:
        tensor[:, :, :9] = 1e30
    assert torch.equal(attend(*tensors, attn_mask=mask), expected)


def test_large_scores():
    query, key, value = make_inputs(70)
    found, plain = errors_of_both((9 * query, 9 * key, value), is_causal=True, enable_gqa=True)
    assert found < 1.2 * plain


OTHERS = {
    "dropout": {"dropout_p": 0.1},
    "a negative scale": {"scale": -1.0},
    "a float mask": {"is_causal": False, "attn_mask": torch.zeros(1, 1, 70, 70, dtype=torch.bfloat16)},
    "a mask of each head": {"is_causal": False, "attn_mask": torch.ones(1, 4, 70, 70, dtype=torch.bool)},
}


@pytest.mark.parametrize("options", OTHERS.values(), ids=OTHERS)
def test_other_attentions_are_pytorchs(options, calls):
    attend(*make_inputs(), **{"is_causal": True, "enable_gqa": True, **options})
    assert calls == []


@pytest.mark.parametrize("sizes", [{"num_queries": 63}, {"width": 33}, {"width": 576}], ids=str)
def test_other_shapes_are_pytorchs(sizes, calls):
    attend(*make_inputs(**sizes), is_causal=True, enable_gqa=True)
    assert calls == []


def test_other_tensors_and_cpus_are_pytorchs(calls, monkeypatch):
    tensors, options = make_inputs(), {"is_causal": True, "enable_gqa": True}
    attend(*(tensor.float() for tensor in tensors), **options)
    with CompiledFunctional():
        F.scaled_dot_product_attention(*tensors, **options)  # with gradients
    monkeypatch.setattr(gates_language_model, "has_tile_products", lambda: True)
    attend(*tensors, **options)
    monkeypatch.setattr(gates_language_model, "has_tile_products", lambda: False)
    monkeypatch.setattr(gates_language_model, "has_bfloat16_products", lambda: False)
    attend(*tensors, **options)
    assert calls == []


def test_numba_may_have_been_told_of_another_cpu(monkeypatch):
    import numba

    for features, expected in (("+avx512f,+avx512bf16", True), ("+avx512f,-avx512bf16", False), ("", False)):
        monkeypatch.setattr(numba.config, "CPU_FEATURES", features)
        assert numba_intrinsics.has_bfloat16_products.__wrapped__() is expected


@torch.no_grad()
@pytest.mark.parametrize(("implementation", "num_compiled"), [("sdpa", 6), ("eager", 0)])
def test_prefill_uses_it(implementation, num_compiled, calls):
    """In the first turn, and with cached keys."""
    model = tiny_language_model(torch.bfloat16, head_dim=32, attn_implementation=implementation)
    exact_model = copy.deepcopy(model).double()
    generator = torch.Generator().manual_seed(0)
    cache, plain_cache, exact_cache = None, None, None
    for length in (70, 80):
        prompt = torch.randn(1, length, model.config.hidden_size, generator=generator).bfloat16()
        found = prefill.prefill(model, prompt, use_cache=True, **{CACHE_NAME: cache})
        plain = model(inputs_embeds=prompt, use_cache=True, **{CACHE_NAME: plain_cache})
        exact = exact_model(inputs_embeds=prompt.double(), use_cache=True, **{CACHE_NAME: exact_cache})
        cache, plain_cache, exact_cache = (output[CACHE_NAME] for output in (found, plain, exact))
        own_error, plain_error = (
            (output.last_hidden_state - exact.last_hidden_state).square().mean().sqrt() for output in (found, plain)
        )
        assert own_error < 1.2 * plain_error
    assert len(calls) == num_compiled
