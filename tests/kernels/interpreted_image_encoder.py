# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
CLIP's layers on a GPU, against those of transformers. test_triton_elementwise.py runs these tests in a process of their own: in
Triton's interpreter, on CPU, or compiled, on a GPU.
"""

import copy
from functools import partial

import pytest
import torch
from torch import nn
from transformers import CLIPVisionConfig, CLIPVisionModel

from tiny_models import CONTEXT_SIZE, tiny_config, tiny_model
from transformers_mvgpt.kernels import gates
from transformers_mvgpt.kernels.dispatch import run_image_layers, use_quick_gelu
from transformers_mvgpt.kernels.fast_paths import FastPaths
from triton_runs import DEVICE, IS_INTERPRETED


HALF = torch.float16 if IS_INTERPRETED else torch.bfloat16  # the interpreter cuts bfloat16 off where a GPU rounds
WIDTH = 40


@pytest.fixture(autouse=True)
def on_this_device(monkeypatch):
    monkeypatch.setattr(gates, "_TRITON_DEVICE", DEVICE.type)
    monkeypatch.setattr(gates, "SUITS_AUTO", True)


@pytest.fixture
def calls(monkeypatch):
    calls, compute = [], FastPaths.run_image_layers
    monkeypatch.setattr(FastPaths, "run_image_layers", lambda *inputs: calls.append(1) or compute(*inputs))
    return calls


def make_layers(dtype=torch.float32, **fields):
    sizes = {"hidden_size": WIDTH, "intermediate_size": 56, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = CLIPVisionConfig(**{**sizes, "image_size": 16, "patch_size": 8, "attn_implementation": "sdpa", **fields})
    model = CLIPVisionModel(config).eval()
    use_quick_gelu(model)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.3)
    return model.encoder.layers.to(DEVICE, dtype)


def make_hidden_states(dtype=torch.float32, shape=(3, 5, WIDTH)):
    return torch.randn(shape).to(DEVICE, dtype)


def call_each(layers, hidden_states):
    for layer in layers:
        hidden_states = layer(hidden_states, None)
    return hidden_states


@torch.no_grad()
def run(layers, hidden_states):
    return run_image_layers(layers, hidden_states, plain=lambda x: call_each(layers, x))


@pytest.mark.parametrize("shape", [(3, 5, WIDTH), (1, 1, WIDTH)], ids=str)
def test_same_as_those_of_transformers(calls, shape):
    layers, hidden_states = make_layers(), make_hidden_states(shape=shape)
    before, found = hidden_states.clone(), run(layers, hidden_states)
    assert calls == [1]
    assert torch.equal(hidden_states, before)
    torch.testing.assert_close(found, call_each(layers, hidden_states), rtol=1e-5, atol=2e-5)


@torch.no_grad()
def test_half_precision_is_as_exact(calls):
    layers = make_layers(HALF)
    exact_layers = copy.deepcopy(layers).double()
    errors = {"own": [], "plain": []}
    for _ in range(4):
        hidden_states = make_hidden_states(HALF)
        exact = call_each(exact_layers, hidden_states.double())
        errors["own"].append(run(layers, hidden_states) - exact)
        errors["plain"].append(call_each(layers, hidden_states) - exact)
    own, plain = (torch.cat(errors[name]).square().mean().sqrt() for name in ("own", "plain"))
    assert own < 1.2 * plain
    assert len(calls) == 4


@pytest.mark.skipif(IS_INTERPRETED, reason="takes the interpreter minutes")
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16], ids=str)
@torch.no_grad()
def test_published_size(calls, dtype):
    layers = make_layers(dtype, hidden_size=768, intermediate_size=3072, num_attention_heads=12)
    for parameter in layers.parameters():
        parameter.mul_(0.1)
    hidden_states = make_hidden_states(dtype, (16, 197, 768))
    exact = call_each(copy.deepcopy(layers).double(), hidden_states.double())
    own, plain = ((call(layers, hidden_states) - exact).norm() for call in (run, call_each))
    assert own <= 1.5 * plain
    assert calls == [1]


def test_linear_layers_may_be_anything(calls):
    layers = make_layers()
    layers[1].self_attn.v_proj = nn.Sequential(layers[1].self_attn.v_proj, nn.Tanh())
    layers[1].mlp.fc1.register_forward_hook(lambda module, inputs, output: 2 * output)
    hidden_states = make_hidden_states()
    found = run(layers, hidden_states)
    torch.testing.assert_close(found, call_each(layers, hidden_states), rtol=1e-5, atol=2e-5)
    assert calls


CHANGES = {
    "a hook": lambda layers: layers[1].register_forward_hook(lambda *_: None),
    "a hook of the MLP": lambda layers: layers[1].mlp.register_forward_hook(lambda *_: None),
    "another activation": lambda layers: setattr(layers[1].mlp, "activation_fn", nn.GELU()),
    "another norm": lambda layers: setattr(layers[1], "layer_norm2", nn.Identity()),
    "a norm without a bias": lambda layers: setattr(layers[1], "layer_norm2", nn.LayerNorm(WIDTH, bias=False)),
    "a wrapped forward": lambda layers: setattr(layers[1].self_attn, "forward", partial(layers[1].self_attn.forward)),
    "another attention": lambda layers: setattr(layers[1].self_attn.config, "_attn_implementation", "eager"),
    "another layer": lambda layers: layers.append(nn.Identity()),
    "no layer": lambda layers: [layers.pop(0), layers.pop(0)],
    "a compiled layer": lambda layers: layers[1].compile(backend="eager"),
    "training": lambda layers: layers.train(),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_changed_layers_run_themselves(calls, change):
    layers, hidden_states = make_layers(), make_hidden_states()
    run(layers, hidden_states)
    assert calls == [1]
    change(layers)
    with torch.no_grad():
        assert not gates.may_run_image_layers(layers, hidden_states, type(make_layers()[0].mlp.activation_fn))


def test_calls_that_are_those_of_transformers(calls):
    layers, hidden_states = make_layers(), make_hidden_states()
    assert run_image_layers(layers, hidden_states, plain=lambda x: call_each(layers, x)).requires_grad
    with torch.autocast(DEVICE.type, torch.bfloat16):
        run(layers, hidden_states)
    compiled = torch.compile(lambda x: run(layers[:1], x), backend="eager")
    torch.testing.assert_close(compiled(hidden_states), layers[0](hidden_states, None), rtol=1e-5, atol=2e-5)
    assert not calls


@torch.no_grad()
def test_model_is_that_of_plain_pytorch(calls, monkeypatch):
    model = tiny_model(tiny_config(vision_config={"hidden_act": "quick_gelu"})).to(DEVICE)
    images = torch.randn(1, 3, CONTEXT_SIZE, CONTEXT_SIZE).to(DEVICE)
    found = model.get_image_features(images).pooler_output
    assert calls == [1]
    recorded = model.get_image_features(images, output_hidden_states=True).pooler_output
    assert calls == [1]
    monkeypatch.setattr(gates, "SUITS_AUTO", False)
    monkeypatch.setattr(gates, "has_numba", False)
    expected = model.get_image_features(images).pooler_output
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(recorded, expected, rtol=1e-4, atol=1e-4)
