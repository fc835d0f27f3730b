# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""CLIP's and SigLIP's layers on CPU with compiled functions, against PyTorch's."""

import copy

import pytest
import torch
from transformers import CLIPVisionConfig, CLIPVisionModel, SiglipVisionConfig, SiglipVisionModel

from tiny_models import with_seeded_weights
from transformers_mvgpt.kernels import compiled_functional, gates, gates_language_model
from transformers_mvgpt.kernels.dispatch import use_quick_gelu
from transformers_mvgpt.modeling.image_features import encode_images


pytest.importorskip("numba")
# 81 patches, and heads of 36 numbers: neither is a whole number of tiles, as in SigLIP so400m
SIZES = {"hidden_size": 72, "intermediate_size": 100, "num_hidden_layers": 3, "num_attention_heads": 2}
SIZES |= {"image_size": 36, "patch_size": 4}
NUM_LAYERS_RUN = 2


@pytest.fixture(autouse=True)
def suitable_cpu(monkeypatch):
    """As if it was one. Where it is not, other instructions do the same."""
    monkeypatch.setattr(gates_language_model, "has_bfloat16_products", lambda: True)
    monkeypatch.setattr(gates_language_model, "has_tile_products", lambda: False)


@pytest.fixture
def calls(monkeypatch):
    """The names of compiled functions that were called."""
    names = []
    for name in ("attend", "gelu_tanh"):
        function = getattr(compiled_functional, name)
        monkeypatch.setattr(
            compiled_functional,
            name,
            lambda *args, name=name, function=function: names.append(name) or function(*args),
        )
    return names


def make_tower(family, **fields):
    model_class, config_class = {
        "CLIP": (CLIPVisionModel, CLIPVisionConfig),
        "SigLIP": (SiglipVisionModel, SiglipVisionConfig),
    }[family]
    tower = with_seeded_weights(model_class(config_class(**{**SIZES, **fields})))
    use_quick_gelu(tower)
    return tower


def make_images(dtype=torch.float32):
    return torch.randn(2, 3, 36, 36, generator=torch.Generator().manual_seed(0)).to(dtype)


@torch.no_grad()
@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize(
    ("family", "expected"),
    [("CLIP", ["attend"]), ("SigLIP", ["attend", "gelu_tanh"])],
)
def test_bfloat16_is_as_exact_as_pytorch(family, expected, calls, monkeypatch):
    tower = make_tower(family)
    exact = encode_images(copy.deepcopy(tower).double(), make_images(torch.float64), -2).last_hidden_state
    assert calls == []
    tower, images = tower.bfloat16(), make_images(torch.bfloat16)
    found = encode_images(tower, images, -2).last_hidden_state
    assert calls == NUM_LAYERS_RUN * expected
    monkeypatch.setattr(gates, "has_numba", False)
    plain = encode_images(tower, images, -2).last_hidden_state
    own_error, plain_error = ((result - exact).square().mean().sqrt() for result in (found, plain))
    assert own_error < 1.1 * plain_error


@torch.no_grad()
def test_float32(calls, monkeypatch):
    tower = make_tower("SigLIP")
    found = encode_images(tower, make_images(), -2).last_hidden_state
    assert calls == NUM_LAYERS_RUN * ["gelu_tanh"]
    monkeypatch.setattr(gates, "has_numba", False)
    torch.testing.assert_close(found, encode_images(tower, make_images(), -2).last_hidden_state, rtol=1e-5, atol=1e-5)


CHANGES = {
    "training": lambda tower: tower.train(),
    "another attention and activation": lambda tower: [
        setattr(tower.config, "_attn_implementation", "eager"),
        [setattr(layer.mlp, "activation_fn", torch.nn.GELU()) for layer in tower.encoder.layers],
    ],
}


@torch.no_grad()
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_other_layers_are_pytorchs(change, calls):
    tower = make_tower("SigLIP").bfloat16()
    change(tower)
    encode_images(tower, make_images(torch.bfloat16), -2)
    assert calls == []


def test_gradients_are_pytorchs(calls):
    tower = make_tower("SigLIP").bfloat16()
    encode_images(tower, make_images(torch.bfloat16), -2).last_hidden_state.sum().backward()
    assert calls == []
    assert tower.encoder.layers[0].mlp.fc1.weight.grad is not None
