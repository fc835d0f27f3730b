# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The compiled step of decoding, against the language model whose place it takes."""

import copy
import threading
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch._subclasses import FakeTensorMode
from transformers import DynamicCache, StaticCache

from changed_language_models import CHANGES
from decode_steps import assert_same_cache, decode, decode_on_cpu, decode_plainly, make_token, read_prompt
from tiny_models import make_sample, tiny_config, tiny_model
from tiny_models import tiny_language_model as make_model
from transformers_mvgpt.compat.cache_name import CACHE_NAME
from transformers_mvgpt.kernels import decode_buffer, decode_step, gates, gates_language_model, numba_decode_step
from transformers_mvgpt.kernels.numba_decode_step import multiply_row


pytest.importorskip("numba")
WIDTH = 24


@pytest.fixture(params=[1, 3])
def num_threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@pytest.mark.parametrize("length", [1, 3, 37])
@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"num_attention_heads": 4, "num_key_value_heads": 4, "intermediate_size": 5},
        {"num_attention_heads": 3, "num_key_value_heads": 1, "head_dim": 10},
        {"hidden_size": 272, "intermediate_size": 301, "num_attention_heads": 2, "num_key_value_heads": 1},
        {"family": "llama"},
        {
            "family": "llama",
            "attention_bias": True,
            "num_attention_heads": 3,
            "num_key_value_heads": 1,
            "head_dim": 10,
        },
        {"family": "llama", "rope_parameters": {"rope_type": "linear", "factor": 4.0, "rope_theta": 1e4}},
    ],
    ids=[
        "groups",
        "a key for each head",
        "width of a head",
        "rows longer than a block",
        "Llama",
        "Llama with biases",
        "Llama with scaled positions",
    ],
)
def test_same_as_language_model(fields, length, num_threads):
    model = make_model(**fields)
    cache = read_prompt(model, length)
    expected_cache = copy.deepcopy(cache)
    for seed in range(3):
        token = make_token(model, seed)
        expected = decode_plainly(model, token, expected_cache)
        torch.testing.assert_close(decode(model, token, cache), expected, rtol=1e-5, atol=2e-5)
    assert cache.get_seq_length() == length + 3
    assert_same_cache(cache, expected_cache, rtol=1e-5, atol=2e-5)


@pytest.mark.parametrize("fields", [{}, {"family": "llama", "attention_bias": True}], ids=["Qwen2", "Llama"])
def test_bfloat16_is_as_exact_as_the_language_model(num_threads, fields):
    """Both round at the same places; only the order of sums differs."""
    model = make_model(torch.bfloat16, num_hidden_layers=1, **fields)
    exact_model = copy.deepcopy(model).double()
    errors: dict[str, list[torch.Tensor]] = {"step": [], "plain": []}
    for seed in range(20):
        cache, token = read_prompt(model, 20), make_token(model, seed)
        exact_cache = copy.deepcopy(cache)
        for layer in exact_cache.layers:
            layer.keys, layer.values = layer.keys.double(), layer.values.double()
        exact = decode_plainly(exact_model, token.double(), exact_cache)
        errors["plain"].append(decode_plainly(model, token, copy.deepcopy(cache)) - exact)
        errors["step"].append(decode(model, token, cache) - exact)
        assert {layer.keys.dtype for layer in cache.layers} == {torch.bfloat16}
    step, plain = (torch.cat(errors[name]).square().mean().sqrt() for name in ("step", "plain"))
    assert 0.8 * plain < step < 1.25 * plain


def test_places_are_those_given():
    model = make_model()
    cache = read_prompt(model, 5)
    expected_cache, token, position = copy.deepcopy(cache), make_token(model), torch.tensor([[11]])
    expected = decode_plainly(model, token, expected_cache, position_ids=position)
    torch.testing.assert_close(decode(model, token, cache, position_ids=position), expected, rtol=1e-5, atol=2e-5)
    assert not torch.allclose(decode(model, token, read_prompt(model, 5)), expected, rtol=1e-3, atol=1e-3)


def test_full_buffer_is_exchanged_for_a_larger_one(monkeypatch):
    monkeypatch.setattr(decode_buffer, "_MORE_TOKENS", 2)
    model = make_model()
    cache = read_prompt(model, 3)
    expected_cache, kept = copy.deepcopy(cache), []
    for seed in range(5):
        token = make_token(model, seed)
        expected = decode_plainly(model, token, expected_cache)
        torch.testing.assert_close(decode(model, token, cache), expected, rtol=1e-5, atol=2e-5)
        kept.append(cache.layers[0].keys)  # as long as it lives, nothing else is in its place
    assert len({keys.data_ptr() for keys in kept}) == 3
    assert_same_cache(cache, expected_cache, rtol=1e-5, atol=2e-5)


def test_what_others_hold_of_the_cache_stays():
    """Copies, older views and branches that begin at one of them."""
    model = make_model()
    cache = read_prompt(model, 4)
    decode(model, make_token(model, 1), cache)
    view, before = cache.layers[0].keys, cache.layers[0].keys.clone()
    branch, expected_branch = copy.deepcopy(cache), copy.deepcopy(cache)
    decode(model, make_token(model, 2), cache)
    assert torch.equal(view, before)

    expected = decode_plainly(model, make_token(model, 3), expected_branch)
    torch.testing.assert_close(decode(model, make_token(model, 3), branch), expected, rtol=1e-5, atol=2e-5)
    cache.crop(-1)
    again = decode(model, make_token(model, 3), cache)
    torch.testing.assert_close(again, expected, rtol=1e-5, atol=2e-5)
    assert_same_cache(cache, branch, rtol=0, atol=0)


@pytest.mark.parametrize("fields", [{"head_dim": 8}, {"num_hidden_layers": 2}, {"num_key_value_heads": 1}], ids=str)
@torch.no_grad()
def test_cache_of_another_model_goes_the_plain_way(fields):
    """Keys and values are read and written by their address."""
    model, other = make_model(), make_model(**fields)
    cache, token = read_prompt(other, 4), make_token(model)
    decode(other, make_token(other), cache)
    heads = gates_language_model.key_heads
    buffer = decode_buffer.known_buffer(cache)
    assert buffer.holds(other.config.num_hidden_layers, heads(other.config), token)
    assert not buffer.holds(model.config.num_hidden_layers, heads(model.config), token)
    assert decode_on_cpu(model, token, use_cache=True, **{CACHE_NAME: cache}) is None


def test_shallow_copy_of_a_layer_is_another_branch():
    model = make_model()
    cache = read_prompt(model, 4)
    decode(model, make_token(model, 1), cache)
    branch = copy.copy(cache)
    branch.layers = [copy.copy(layer) for layer in cache.layers]
    decode(model, make_token(model, 2), cache)
    keys = cache.layers[0].keys.clone()
    decode(model, make_token(model, 3), branch)
    assert torch.equal(cache.layers[0].keys, keys)


@pytest.mark.parametrize("missing", [False, True])
def test_threads_that_come_late_or_never(monkeypatch, missing):
    model = make_model()
    cache, token = read_prompt(model, 6), make_token(model)
    expected = decode(model, token, copy.deepcopy(cache))

    def one_after_the_other(work, parts):
        for part in list(parts)[: 1 if missing else None]:
            work(part)

    monkeypatch.setattr(numba_decode_step, "share_work", one_after_the_other)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    assert torch.equal(decode(model, token, cache), expected)


def test_several_models_at_once():
    model = make_model()
    expected = decode(model, make_token(model), read_prompt(model, 5))
    found = []

    def work():
        for _ in range(20):
            found.append(decode(model, make_token(model), read_prompt(model, 5)))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 60
    assert all(torch.equal(one, expected) for one in found)


@pytest.mark.parametrize("family", ["qwen2", "llama"])
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_changed_language_model_runs_itself(change, family):
    model = make_model(family=family)
    cache, token = read_prompt(model, 4), make_token(model)
    decode(model, token, cache)
    before = copy.deepcopy(cache)
    change(model)
    with torch.no_grad():
        found = decode_on_cpu(model, token, use_cache=True, **{CACHE_NAME: cache})
    # of the model itself nothing is asked but its last norm
    assert (found is None) == (change is not CHANGES["a hook before"])
    if found is None:
        assert_same_cache(cache, before, rtol=0, atol=0)


LLAMAS = {
    "biases of the MLP": {"mlp_bias": True},
    "another activation": {"hidden_act": "gelu"},
}


@pytest.mark.parametrize("fields", LLAMAS.values(), ids=LLAMAS)
def test_other_llamas_run_themselves(fields):
    model = make_model(family="llama", **fields)
    with torch.no_grad():
        assert decode_on_cpu(model, make_token(model), **{CACHE_NAME: read_prompt(model, 4)}) is None


def test_derived_llama_runs_itself():
    model = make_model(family="llama")
    model.__class__ = type("LlamaModel", (type(model),), {})  # its forward pass may be another
    with torch.no_grad():
        assert decode_on_cpu(model, make_token(model), **{CACHE_NAME: read_prompt(model, 4)}) is None


INPUTS = {
    "two tokens": lambda model: {"inputs_embeds": torch.zeros(1, 2, WIDTH)},
    "two sequences": lambda model: {"inputs_embeds": torch.zeros(2, 1, WIDTH)},
    "float64": lambda model: {"inputs_embeds": torch.zeros(1, 1, WIDTH, dtype=torch.float64)},
    "hidden states": lambda model: {"output_hidden_states": True},
    "a padded prompt": lambda model: {"attention_mask": torch.tensor([[0, 1, 1, 1, 1]])},
    "a mask of another shape": lambda model: {"attention_mask": torch.ones(1, 1, 1, 5, dtype=torch.bool)},
    "no cache": lambda model: {CACHE_NAME: None},
    "a cache that is not kept": lambda model: {"use_cache": False},
    "an empty cache": lambda model: {CACHE_NAME: DynamicCache(config=model.config)},
    "a cache of fixed size": lambda model: {CACHE_NAME: StaticCache(config=model.config, max_cache_len=8)},
}


@pytest.mark.parametrize("inputs", INPUTS.values(), ids=INPUTS)
def test_other_inputs_are_the_language_models(inputs):
    model = make_model()
    usual = {"inputs_embeds": make_token(model), "use_cache": True, CACHE_NAME: read_prompt(model, 4)}
    with torch.no_grad():
        assert decode_on_cpu(model, **usual) is not None
        usual[CACHE_NAME] = read_prompt(model, 4)
        assert decode_on_cpu(model, **{**usual, **inputs(model)}) is None


def test_gradients_autocast_and_fake_tensors_are_the_language_models(monkeypatch):
    model = make_model()
    inputs = {"inputs_embeds": make_token(model), CACHE_NAME: read_prompt(model, 4)}
    assert decode_on_cpu(model, **inputs) is None
    with torch.no_grad():
        with torch.autocast("cpu", torch.bfloat16):
            assert decode_on_cpu(model, **inputs) is None
        with FakeTensorMode(allow_non_fake_inputs=True) as mode:
            fake = {**inputs, "inputs_embeds": mode.from_tensor(inputs["inputs_embeds"])}
            assert decode_on_cpu(model, **fake) is None
        monkeypatch.setattr(gates, "has_numba", False)
        assert decode_on_cpu(model, **inputs) is None


@pytest.fixture
def steps(monkeypatch):
    """How many tokens were in the cache at each compiled step."""
    lengths, decode_token = [], decode_step.decode_token

    def record(step, dtype):
        lengths.append(step.num_cached)
        return decode_token(step, dtype)

    monkeypatch.setattr(decode_step, "decode_token", record)
    return lengths


@pytest.mark.parametrize(
    "options",
    [{}, {"do_sample": True}, {"tokenizer": SimpleNamespace()}],
    ids=["greedy", "sampled", "with what generate hands on"],
)
def test_generates_the_same(steps, monkeypatch, options):
    model = tiny_model(tiny_config(text_config={"num_hidden_layers": 3}))
    sample = make_sample(5, "video:a", 6)
    options = {"max_new_tokens": 8, "output_logits": True, "return_dict_in_generate": True, **options}
    torch.manual_seed(0)
    found = model.generate(**sample, **options)
    length = sample["input_ids"].shape[1]
    assert steps == list(range(length, length + 7))
    monkeypatch.setattr(gates, "has_numba", False)
    torch.manual_seed(0)
    expected = model.generate(**sample, **options)
    assert len(steps) == 7
    assert torch.equal(found.sequences, expected.sequences)
    torch.testing.assert_close(torch.cat(found.logits), torch.cat(expected.logits), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("fields", [{}, {"attention_bias": True, "head_dim": 6}], ids=str)
def test_llama_generates_the_same(steps, monkeypatch, dtype, fields):
    text_config = {"model_type": "llama", "num_hidden_layers": 3, **fields}
    model = tiny_model(tiny_config(text_config=text_config)).to(dtype)
    sample = make_sample(5, "video:a", 6)
    sample = {name: value.to(dtype) if value.is_floating_point() else value for name, value in sample.items()}
    found = model.generate(**sample, max_new_tokens=8, do_sample=False)
    assert len(steps) == 7
    monkeypatch.setattr(gates, "has_numba", False)
    assert torch.equal(found, model.generate(**sample, max_new_tokens=8, do_sample=False))
    assert len(steps) == 7


@pytest.mark.parametrize(
    "options",
    [{"num_beams": 3}, {"prompt_lookup_num_tokens": 3}, {"cache_implementation": "static"}],
    ids=["beams", "prompt lookup", "static cache"],
)
def test_other_ways_to_generate(monkeypatch, options):
    model = tiny_model()
    sample = {"input_ids": torch.tensor([[5, 6, 7, 5, 6, 7, 5, 6]])}
    found = model.generate(**sample, **options, max_new_tokens=9, do_sample=False)
    monkeypatch.setattr(gates, "has_numba", False)
    assert torch.equal(found, model.generate(**sample, **options, max_new_tokens=9, do_sample=False))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("has_bias", [True, False])
@pytest.mark.parametrize("shape", [(1, 1), (3, 7), (5, 130), (257, 300), (1201, 512)])
def test_row_times_matrix(shape, has_bias, dtype, num_threads):
    generator = torch.Generator().manual_seed(0)
    weight, row, bias = (torch.randn(size, generator=generator).to(dtype) for size in (shape, shape[1:], shape[:1]))
    exact = weight.double() @ row.double() + (bias.double() if has_bias else 0)
    found = multiply_row(weight, row, bias if has_bias else None)
    assert found.dtype == dtype
    # the sum in float32, and its one rounding
    tolerance = torch.finfo(torch.float32).eps * (weight.double().abs() @ row.double().abs() + 1)
    if dtype == torch.bfloat16:
        tolerance += torch.finfo(dtype).eps * (exact.abs() + 2 * bias.double().abs())  # of the product, too
    assert ((found.double() - exact).abs() <= tolerance).all()


def test_nothing_is_written_beyond_the_buffer():
    """Keys and values are written by their address."""
    model = make_model()
    cache = read_prompt(model, 3)
    decode(model, make_token(model), cache)
    storage = cache.layers[0].keys.untyped_storage()
    numbers = np.frombuffer(bytes(storage), np.float32).reshape(3, 2, -1, 4)  # (N, G, tokens, D)
    written = numbers[:, :, :4].copy()
    decode(model, make_token(model, 1), cache)
    after = np.frombuffer(bytes(cache.layers[0].keys.untyped_storage()), np.float32).reshape(3, 2, -1, 4)
    assert np.array_equal(after[:, :, :4], written)
    assert np.array_equal(after[:, :, 5:], numbers[:, :, 5:], equal_nan=True)
    assert not np.array_equal(after[:, :, 4], numbers[:, :, 4], equal_nan=True)
