# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""A prompt with compiled parts between the matrix products, against the language model whose place it takes."""

import copy

import pytest
import torch
from torch import nn
from torch._subclasses import FakeTensorMode
from torch.autograd import forward_ad
from transformers import DynamicCache, Qwen2Config, Qwen2Model, StaticCache

from tiny_models import make_sample, tiny_config, tiny_model
from tiny_models import tiny_language_model as make_model
from transformers_mvgpt.compat.cache_name import CACHE_NAME
from transformers_mvgpt.kernels import decode_step, gates, gates_language_model, prefill


pytest.importorskip("numba")
WIDTH = 24
CLOSE = {"rtol": 1e-5, "atol": 2e-5}


def make_prompt(model: Qwen2Model, batch_size: int = 1, length: int = 7, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch_size, length, model.config.hidden_size, generator=generator).to(model.dtype)


def prefill_on_cpu(model, inputs_embeds, last_token_only=False, **inputs):
    """By the compiled parts, or `None` where they would not do the same."""
    if not gates_language_model.may_prefill(model, inputs_embeds, **inputs):
        return None
    return prefill.prefill(model, inputs_embeds, last_token_only=last_token_only, **inputs)


@torch.no_grad()
def read(model, prompt, **inputs):
    output = prefill_on_cpu(model, prompt, **inputs)
    assert output is not None
    return output


@torch.no_grad()
def read_plainly(model, prompt, **inputs):
    return model(inputs_embeds=prompt, **inputs)


def assert_same_cache(actual: DynamicCache, expected: DynamicCache) -> None:
    assert actual.get_seq_length() == expected.get_seq_length()
    for one, other in zip(actual.layers, expected.layers, strict=True):
        torch.testing.assert_close((one.keys, one.values), (other.keys, other.values), **CLOSE)


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("last_token_only", [False, True], ids=["all tokens", "last token"])
@pytest.mark.parametrize("implementation", ["sdpa", "eager"])
@pytest.mark.parametrize("is_padded", [False, True], ids=["whole", "padded"])
@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"num_attention_heads": 3, "num_key_value_heads": 1, "head_dim": 10, "num_hidden_layers": 1},
        {"family": "llama"},
        {"family": "llama", "attention_bias": True, "mlp_bias": True, "head_dim": 10},
    ],
    ids=["three layers", "one layer", "Llama", "Llama with biases"],
)
def test_same_as_language_model(fields, is_padded, implementation, last_token_only):
    model = make_model(**fields, attn_implementation=implementation)
    prompt, more = make_prompt(model, 2), make_prompt(model, 2, 3, seed=1)
    before, cache, expected_cache = prompt.clone(), None, None
    for length, rows in ((7, prompt), (10, more)):  # the second ones see the first in the cache
        mask = torch.ones(2, length, dtype=torch.long)
        mask[0, :2] = 0 if is_padded else 1
        inputs = {"attention_mask": mask, "use_cache": True}
        found = read(model, rows, last_token_only=last_token_only, **inputs, **{CACHE_NAME: cache})
        expected = read_plainly(model, rows, **inputs, **{CACHE_NAME: expected_cache})
        cache, expected_cache = found[CACHE_NAME], expected[CACHE_NAME]
        assert_same_cache(cache, expected_cache)
        hidden = expected.last_hidden_state
        if not last_token_only and is_padded and length == 7:  # where there is nothing, it may be anything
            hidden, found.last_hidden_state = hidden[:, 2:], found.last_hidden_state[:, 2:]
        torch.testing.assert_close(found.last_hidden_state, hidden[:, -1:] if last_token_only else hidden, **CLOSE)
    assert torch.equal(prompt, before)


@pytest.mark.parametrize("fields", [{}, {"family": "llama", "attention_bias": True}], ids=["Qwen2", "Llama"])
def test_bfloat16_is_as_exact_as_the_language_model(fields):
    """Both round at the same places; only the order of sums differs."""
    model = make_model(torch.bfloat16, **fields)
    exact_model = copy.deepcopy(model).double()
    errors: dict[str, list[torch.Tensor]] = {"own": [], "plain": []}
    for seed in range(10):
        prompt = make_prompt(model, seed=seed)
        exact = read_plainly(exact_model, prompt.double()).last_hidden_state
        errors["plain"].append(read_plainly(model, prompt).last_hidden_state - exact)
        errors["own"].append(read(model, prompt).last_hidden_state - exact)
    own, plain = (torch.cat(errors[name]).square().mean().sqrt() for name in ("own", "plain"))
    assert 0.9 * plain < own < 1.1 * plain


def test_places_are_those_given():
    model = make_model()
    prompt, positions = make_prompt(model), torch.tensor([[0, 1, 5, 6, 7, 20, 21]])
    expected = read_plainly(model, prompt, position_ids=positions).last_hidden_state
    found = read(model, prompt, position_ids=positions, use_cache=True, last_token_only=True).last_hidden_state
    torch.testing.assert_close(found, expected[:, -1:], **CLOSE)
    assert not torch.allclose(read(model, prompt).last_hidden_state, expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("use_cache", [None, False, True])
def test_cache_is_made_where_it_is_wanted(use_cache):
    model = make_model()
    found, expected = (call(model, make_prompt(model), use_cache=use_cache) for call in (read, read_plainly))
    assert type(getattr(found, CACHE_NAME)) is type(getattr(expected, CACHE_NAME))


def test_sliding_caches_get_all_tokens(tokens_of_last_layer):
    model = make_model()
    sizes = {"num_hidden_layers": 3, "max_window_layers": 0}
    cache = DynamicCache(config=Qwen2Config(use_sliding_window=True, sliding_window=99, **sizes))
    assert any(cache.is_sliding)
    output = read(model, make_prompt(model), use_cache=True, last_token_only=True, **{CACHE_NAME: cache})
    assert output.last_hidden_state.shape[1] == 7
    assert tokens_of_last_layer == []


def test_default_device_is_not_asked():
    model, prompt = make_model(), make_prompt(model=make_model())
    expected = read(model, prompt).last_hidden_state
    with torch.device("meta"):
        assert torch.equal(read(model, prompt).last_hidden_state, expected)


def test_cache_of_fixed_size():
    model = make_model()
    caches = [StaticCache(config=model.config, max_cache_len=12) for _ in range(2)]
    for seed in range(2):
        prompt = make_prompt(model, length=4, seed=seed)
        inputs = [{"use_cache": True, CACHE_NAME: cache} for cache in caches]
        found = read(model, prompt, last_token_only=True, **inputs[0]).last_hidden_state
        torch.testing.assert_close(found, read_plainly(model, prompt, **inputs[1]).last_hidden_state, **CLOSE)
    assert_same_cache(*caches)


def test_linear_layers_may_be_anything():
    model = make_model()
    layer = model.layers[1]
    layer.self_attn.k_proj = nn.Sequential(layer.self_attn.k_proj, nn.Tanh())
    layer.mlp.gate_proj = nn.Sequential(layer.mlp.gate_proj, nn.Tanh())
    layer.mlp.up_proj.register_forward_hook(lambda module, inputs, output: 2 * output)
    expected = read_plainly(model, make_prompt(model)).last_hidden_state
    torch.testing.assert_close(read(model, make_prompt(model)).last_hidden_state, expected, **CLOSE)


def test_hooks_of_the_last_layer_see_all_tokens():
    model, seen = make_model(), []
    model.layers[2].self_attn.q_proj.register_forward_hook(lambda module, inputs, output: seen.append(output.shape))
    output = read(model, make_prompt(model), use_cache=True, last_token_only=True)
    assert seen == [(1, 7, WIDTH)]
    expected = read_plainly(model, make_prompt(model)).last_hidden_state
    torch.testing.assert_close(output.last_hidden_state, expected, **CLOSE)


def wrap_forward(model):
    own = model.layers[1].mlp.forward
    model.layers[1].mlp.forward = lambda hidden_states: own(hidden_states)


CHANGES = {
    "another activation": lambda model: setattr(model.layers[1].mlp, "act_fn", nn.GELU()),
    "another norm": lambda model: setattr(model.layers[1], "input_layernorm", nn.LayerNorm(WIDTH)),
    "a norm of another dtype": lambda model: model.norm.double(),
    "a hook": lambda model: model.layers[1].register_forward_hook(lambda *_: None),
    "a hook of the attention": lambda model: model.layers[1].self_attn.register_forward_hook(lambda *_: None),
    "somebody who keeps gates": lambda model: model.layers[1].mlp.gate_proj.register_forward_hook(lambda *_: None),
    "a wrapped forward": wrap_forward,
    "another attention": lambda model: setattr(model.config, "_attn_implementation", "flex_attention"),
    "sliding windows": lambda model: setattr(model.config, "layer_types", ["sliding_attention"] * 3),
    "hidden states": lambda model: setattr(model.config, "output_hidden_states", True),
    "an attention to what comes later": lambda model: setattr(model.config, "is_causal", False),
    "a compiled layer": lambda model: model.layers[1].compile(),
    "fewer layers": lambda model: setattr(model.config, "num_hidden_layers", 2),
    "training": lambda model: model.train(),
}


@pytest.mark.parametrize("family", ["qwen2", "llama"])
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_changed_language_model_runs_itself(change, family):
    model = make_model(family=family)
    read(model, make_prompt(model))
    change(model)
    with torch.no_grad():
        assert prefill_on_cpu(model, make_prompt(model)) is None


INPUTS = {
    "one token": {"inputs_embeds": torch.zeros(1, 1, WIDTH)},
    "float64": {"inputs_embeds": torch.zeros(1, 2, WIDTH, dtype=torch.float64)},
    "hidden states": {"output_hidden_states": True},
    "an attention to what comes later": {"is_causal": False},
    "masks of all kinds of layers": {"attention_mask": {"full_attention": None}},
}


@pytest.mark.parametrize("inputs", INPUTS.values(), ids=INPUTS)
def test_other_inputs_are_the_language_models(inputs):
    model = make_model()
    with torch.no_grad():
        assert prefill_on_cpu(model, **{"inputs_embeds": make_prompt(model), **inputs}) is None


def test_gradients_autocast_and_other_tensors_are_the_language_models(monkeypatch):
    model = make_model()
    prompt = make_prompt(model)
    assert prefill_on_cpu(model, prompt) is None
    with torch.no_grad():
        with torch.autocast("cpu", torch.bfloat16):
            assert prefill_on_cpu(model, prompt) is None
        with FakeTensorMode(allow_non_fake_inputs=True) as mode:
            assert prefill_on_cpu(model, mode.from_tensor(prompt)) is None
        with forward_ad.dual_level():
            assert prefill_on_cpu(model, prompt) is None
        assert torch.func.vmap(lambda rows: torch.tensor(prefill_on_cpu(model, rows) is None))(prompt[None]).all()
        monkeypatch.setattr(gates, "has_numba", False)
        assert prefill_on_cpu(model, prompt) is None


@pytest.fixture
def tokens_of_last_layer(monkeypatch):
    """How many tokens were left for the last layer, where they became fewer."""
    counts, keep_last_token = [], prefill._keep_last_token

    def record(*arguments):
        kept = keep_last_token(*arguments)
        counts.append((arguments[1].shape[1], kept[0].shape[1]))
        return kept

    monkeypatch.setattr(prefill, "_keep_last_token", record)
    return counts


@torch.no_grad()
def test_last_layer_makes_what_the_logits_need(tokens_of_last_layer):
    model = tiny_model(tiny_config(text_config={"num_hidden_layers": 3}))
    sample = make_sample(5, "video:a", 6)
    length = sample["input_ids"].shape[1]
    expected = model(**sample, use_cache=True)
    assert expected.logits.shape[1] == length
    for logits_to_keep in (2, torch.tensor([0, 3])):
        model(**sample, use_cache=True, logits_to_keep=logits_to_keep)
    assert tokens_of_last_layer == []
    found = model(**sample, use_cache=True, logits_to_keep=1)
    assert tokens_of_last_layer == [(length, 1)]
    torch.testing.assert_close(found.logits, expected.logits[:, -1:], rtol=1e-4, atol=1e-4)
    assert_same_cache(found[CACHE_NAME], expected[CACHE_NAME])


@torch.no_grad()
def test_what_transformers_has_recorded_once_slows_nothing_down(tokens_of_last_layer, monkeypatch):
    """Its hooks stay on the layers."""
    model = tiny_model()
    sample = make_sample(5, "video:a", 6)
    options = {"use_cache": True, "logits_to_keep": 1}
    expected = model(**sample, **options)
    recorded = model(**sample, **options, output_hidden_states=True, output_attentions=True)
    assert len(recorded.hidden_states) == 3 and model.model.language_model.layers[0]._forward_hooks
    assert tokens_of_last_layer == [(sample["input_ids"].shape[1], 1)]
    found = model(**sample, **options)
    assert len(tokens_of_last_layer) == 2
    assert torch.equal(found.logits, expected.logits)
    steps = []
    compute = decode_step.decode_token
    monkeypatch.setattr(decode_step, "decode_token", lambda *step: steps.append(1) or compute(*step))
    step = {"input_ids": torch.tensor([[7]]), CACHE_NAME: found[CACHE_NAME]}
    model(**step)
    assert steps == [1]
    assert len(model(**step, output_hidden_states=True).hidden_states) == 3
    assert steps == [1]


@torch.no_grad()
def test_hooks_of_the_base_model_see_all_tokens(tokens_of_last_layer):
    model, shapes = tiny_model(), []
    hook = model.model.register_forward_hook(
        lambda module, inputs, output: shapes.append(output.last_hidden_state.shape)
    )
    inputs = {"input_ids": torch.tensor([[5, 6, 7]]), "use_cache": True, "logits_to_keep": 1}
    model(**inputs)
    assert shapes[0][1] == 3
    hook.remove()
    model(**inputs)
    assert tokens_of_last_layer == [(3, 1)]


def test_generates_the_same(tokens_of_last_layer, monkeypatch):
    model = tiny_model(tiny_config(text_config={"num_hidden_layers": 3}))
    sample = make_sample(5, "video:a", 6)
    options = {"max_new_tokens": 4, "output_logits": True, "return_dict_in_generate": True}
    found = model.generate(**sample, **options)
    assert tokens_of_last_layer == [(sample["input_ids"].shape[1], 1)]
    monkeypatch.setattr(gates, "has_numba", False)
    expected = model.generate(**sample, **options)
    assert torch.equal(found.sequences, expected.sequences)
    torch.testing.assert_close(torch.cat(found.logits), torch.cat(expected.logits), rtol=1e-4, atol=1e-4)
