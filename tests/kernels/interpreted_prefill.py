# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
The prefill on a GPU, against the language model whose place it takes. test_triton_elementwise.py runs these tests in a process of
their own: in Triton's interpreter, on CPU, or compiled, on a GPU.
"""

import copy
from contextlib import nullcontext

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from transformers import DynamicCache, StaticCache

from tiny_models import tiny_config, tiny_model
from tiny_models import tiny_language_model as make_model
from transformers_mvgpt.compat.cache_name import CACHE_NAME
from transformers_mvgpt.kernels import gates, gpu_attention, prefill
from transformers_mvgpt.kernels.gates_language_model import may_prefill
from transformers_mvgpt.kernels.gpu_attention import attend, recorded_kernels
from triton_runs import DEVICE, IS_INTERPRETED


HALF = torch.float16 if IS_INTERPRETED else torch.bfloat16  # the interpreter cuts bfloat16 off where a GPU rounds
CLOSE = {"rtol": 1e-5, "atol": 2e-5}
needs_a_gpu = pytest.mark.skipif(IS_INTERPRETED, reason="takes the interpreter minutes")


@pytest.fixture(autouse=True)
def on_this_device(monkeypatch):
    monkeypatch.setattr(gates, "_TRITON_DEVICE", DEVICE.type)
    monkeypatch.setattr(gates, "SUITS_AUTO", True)


@pytest.fixture
def prompts(monkeypatch):
    """How many tokens were computed by whole layers of kernels, and how many of them were kept."""
    lengths, compute = [], prefill.compute_prompts

    def record(*arguments):
        computed = compute(*arguments)
        lengths.append((arguments[1].shape[1], computed.last_hidden_state.shape[1]))
        return computed

    monkeypatch.setattr(prefill, "compute_prompts", record)
    return lengths


def make_prompt(model, batch_size=1, length=7, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch_size, length, model.config.hidden_size, generator=generator).to(DEVICE, model.dtype)


@torch.no_grad()
def read(model, prompt, last_token_only=False, **inputs):
    assert may_prefill(model, prompt, **inputs)
    return prefill.prefill(model, prompt, last_token_only=last_token_only, **inputs)


@torch.no_grad()
def read_plainly(model, prompt, **inputs):
    return model(inputs_embeds=prompt, **inputs)


def assert_same_cache(actual, expected):
    assert actual.get_seq_length() == expected.get_seq_length()
    for one, other in zip(actual.layers, expected.layers, strict=True):
        torch.testing.assert_close((one.keys, one.values), (other.keys, other.values), **CLOSE)


@pytest.mark.parametrize("last_token_only", [False, True], ids=["all tokens", "last token"])
@pytest.mark.parametrize("is_padded", [False, True], ids=["whole", "padded"])
@pytest.mark.parametrize(
    "fields",
    [
        {"attn_implementation": "eager"},
        {"num_attention_heads": 3, "num_key_value_heads": 1, "head_dim": 10, "num_hidden_layers": 1},
        {"family": "llama", "attention_bias": True, "mlp_bias": True, "head_dim": 10},
    ],
    ids=["eager", "one layer", "Llama with biases"],
)
def test_same_as_language_model(prompts, fields, is_padded, last_token_only):
    model = make_model(**{"attn_implementation": "sdpa", **fields}).to(DEVICE)
    prompt, more = make_prompt(model, 2), make_prompt(model, 2, 3, seed=1)
    before, cache, expected_cache = prompt.clone(), None, None
    for length, tokens in ((7, prompt), (10, more)):  # the second ones see the first in the cache
        mask = torch.ones(2, length, dtype=torch.long, device=DEVICE)
        mask[0, :2] = 0 if is_padded else 1
        inputs = {"attention_mask": mask, "use_cache": True}
        found = read(model, tokens, last_token_only, **inputs, **{CACHE_NAME: cache})
        expected = read_plainly(model, tokens, **inputs, **{CACHE_NAME: expected_cache})
        cache, expected_cache = found[CACHE_NAME], expected[CACHE_NAME]
        assert_same_cache(cache, expected_cache)
        hidden = expected.last_hidden_state
        if not last_token_only and is_padded and length == 7:  # where there is nothing, it may be anything
            hidden, found.last_hidden_state = hidden[:, 2:], found.last_hidden_state[:, 2:]
        torch.testing.assert_close(found.last_hidden_state, hidden[:, -1:] if last_token_only else hidden, **CLOSE)
    assert torch.equal(prompt, before)
    by_whole_layers = not is_padded and model.config._attn_implementation == "sdpa"
    assert prompts == ([(7, 1 if last_token_only else 7)] if by_whole_layers else [])


def test_half_precision_is_as_exact_as_the_language_model(prompts):
    """Both round at the same places; only the order of sums differs."""
    model = make_model(HALF).to(DEVICE)
    exact_model = copy.deepcopy(model).double()
    errors = {"own": [], "plain": []}
    for seed in range(4):
        prompt = make_prompt(model, seed=seed)
        exact = read_plainly(exact_model, prompt.double()).last_hidden_state
        errors["plain"].append(read_plainly(model, prompt).last_hidden_state - exact)
        errors["own"].append(read(model, prompt).last_hidden_state - exact)
    own, plain = (torch.cat(errors[name]).square().mean().sqrt() for name in ("own", "plain"))
    assert own < 1.2 * plain
    assert len(prompts) == 4


@needs_a_gpu
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16], ids=str)
@pytest.mark.parametrize("sizes", [(896, 4864, 14), (1536, 8960, 12)], ids=["0.5B", "1.5B"])
def test_published_sizes(prompts, sizes, dtype):
    names = ("hidden_size", "intermediate_size", "num_attention_heads")
    model = make_model(dtype, **dict(zip(names, sizes, strict=True)), num_hidden_layers=2).to(DEVICE)
    prompt = make_prompt(model, length=2432)
    exact = read_plainly(copy.deepcopy(model).double(), prompt.double()).last_hidden_state
    own = read(model, prompt).last_hidden_state
    plain = read_plainly(model, prompt).last_hidden_state
    assert (own - exact).norm() <= 1.5 * (plain - exact).norm()
    last = read(model, prompt, last_token_only=True, use_cache=True).last_hidden_state
    torch.testing.assert_close(last, own[:, -1:], rtol=0.01, atol=0.02)  # products of other sizes
    assert prompts == [(2432, 2432), (2432, 1)]


def test_places_are_those_given(prompts):
    model = make_model().to(DEVICE)
    prompt, positions = make_prompt(model, 2), torch.tensor([[0, 1, 5, 6, 7, 20, 21], range(7)], device=DEVICE)
    inputs = {"position_ids": positions, "use_cache": True}
    expected = read_plainly(model, prompt, **inputs).last_hidden_state
    torch.testing.assert_close(read(model, prompt, **inputs).last_hidden_state, expected, **CLOSE)
    assert prompts


@pytest.mark.parametrize(
    ("make_cache", "use_cache"),
    [
        (lambda: None, None),
        (lambda: None, False),
        (DynamicCache, True),
        (lambda: DynamicCache(config=make_model().config), False),
    ],
    ids=["none", "unwanted", "without a config", "only filled"],
)
def test_caches_are_those_of_the_language_model(prompts, make_cache, use_cache):
    model = make_model().to(DEVICE)
    caches = make_cache(), make_cache()
    found, expected = (
        call(model, make_prompt(model), use_cache=use_cache, **{CACHE_NAME: cache})
        for call, cache in zip((read, read_plainly), caches, strict=True)
    )
    returned = [getattr(output, CACHE_NAME) for output in (found, expected)]
    assert type(returned[0]) is type(returned[1])
    for actual, wanted in (returned, caches):
        if wanted is not None:
            assert_same_cache(actual, wanted)
    assert prompts


def test_cache_of_fixed_size(prompts):
    model = make_model().to(DEVICE)
    caches = [StaticCache(config=model.config, max_cache_len=12) for _ in range(2)]
    for seed in range(2):
        prompt = make_prompt(model, length=4, seed=seed)
        inputs = [{"use_cache": True, CACHE_NAME: cache} for cache in caches]
        found = read(model, prompt, last_token_only=True, **inputs[0]).last_hidden_state
        torch.testing.assert_close(found, read_plainly(model, prompt, **inputs[1]).last_hidden_state, **CLOSE)
    assert_same_cache(*caches)
    assert prompts == [(4, 4)]


def test_linear_layers_may_be_anything(prompts):
    model, kept = make_model().to(DEVICE), []
    layer = model.layers[1]
    layer.self_attn.k_proj = nn.Sequential(layer.self_attn.k_proj, nn.Tanh())
    layer.mlp.gate_proj = nn.Sequential(layer.mlp.gate_proj, nn.Tanh())
    layer.mlp.up_proj.register_forward_hook(lambda module, inputs, output: 2 * output)
    layer.self_attn.q_proj.register_forward_hook(lambda module, inputs, output: kept.append(output))
    expected = read_plainly(model, make_prompt(model)).last_hidden_state
    torch.testing.assert_close(read(model, make_prompt(model)).last_hidden_state, expected, **CLOSE)
    torch.testing.assert_close(*kept, **CLOSE)
    assert prompts


@pytest.mark.parametrize("is_recorded", [False, True])
@pytest.mark.parametrize(
    ("heads", "length", "width"), [((4, 2), 5, 8), ((3, 3), 6, 10), ((14, 2), 300, 64), ((12, 2), 70, 128)]
)
def test_attention(heads, length, width, is_recorded):
    """Queries and keys lie in memory as in the prefill."""
    queries = torch.randn(2, length, heads[0], width).to(DEVICE, HALF).transpose(1, 2)
    keys, values = torch.randn(2, 2, heads[1], length, width).to(DEVICE, HALF)
    for is_causal in (True, False):
        with recorded_kernels() if is_recorded else nullcontext(), torch.no_grad():
            found = attend(queries, keys, values, 0.3, is_causal)
        exact = F.scaled_dot_product_attention(
            queries.double(), keys.double(), values.double(), scale=0.3, is_causal=is_causal, enable_gqa=True
        )
        assert (found - exact).norm() <= torch.finfo(HALF).eps * exact.norm()


def test_recordings_have_the_attention_that_pytorch_chooses(monkeypatch):
    calls, x = [], torch.randn(1, 2, 3, 8).to(DEVICE, HALF)
    monkeypatch.setattr(gpu_attention, "_suits_flash_attention", lambda queries: True)
    monkeypatch.setattr(
        torch, "_scaled_dot_product_flash_attention", lambda *inputs, scale: calls.append(scale) or inputs
    )
    assert attend(x, x, x, 0.5, is_causal=True) is x
    with recorded_kernels():
        attend(x, x, x, 0.3, is_causal=True)
    attend(x, x, x, 0.2, is_causal=False)
    assert calls == [0.5, 0.2]


def test_gates():
    model = make_model().to(DEVICE)
    prompt = make_prompt(model)
    assert not may_prefill(model, prompt)  # gradients
    with torch.no_grad():
        assert may_prefill(model, prompt)
        assert not may_prefill(model, prompt.double())
        assert not may_prefill(model, prompt[:, :1])
        assert not may_prefill(model, prompt, output_hidden_states=True)
        with torch.autocast(DEVICE.type, torch.bfloat16):
            assert not may_prefill(model, prompt)
        compiled = torch.compile(lambda x: x + may_prefill(model, x), backend="eager")
        assert torch.equal(compiled(prompt), prompt)
        hook = model.layers[1].self_attn.register_forward_hook(lambda *_: None)
        assert not may_prefill(model, prompt)
        hook.remove()
        model.norm.half()
        assert not may_prefill(model, prompt)


@torch.no_grad()
def test_model_is_that_of_plain_pytorch(prompts, monkeypatch):
    model = tiny_model(tiny_config(text_config={"num_hidden_layers": 3})).to(DEVICE)
    inputs = {"input_ids": torch.tensor([[5, 6, 7, 8, 9]], device=DEVICE), "use_cache": True, "logits_to_keep": 1}
    found = model(**inputs)
    assert prompts == [(5, 1)]
    monkeypatch.setattr(gates, "SUITS_AUTO", False)
    monkeypatch.setattr(gates, "has_numba", False)
    expected = model(**inputs)
    torch.testing.assert_close(found.logits, expected.logits, rtol=1e-4, atol=1e-4)
    assert_same_cache(found[CACHE_NAME], expected[CACHE_NAME])
