# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
import pytest
import torch
from torch._subclasses import FakeTensorMode
from torch.autograd import forward_ad
from transformers.activations import QuickGELUActivation

from tiny_models import make_sample, tiny_config, tiny_model
from transformers_mvgpt.kernels import gates
from transformers_mvgpt.kernels.dispatch import QuickGELU, use_quick_gelu
from transformers_mvgpt.kernels.fast_paths import FastPaths


# what torch says of its own scripts
@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:FutureWarning")
@pytest.mark.parametrize("dtype", [torch.float16, torch.float64])
def test_activation_takes_all_that_transformers_takes(dtype):
    activation, x = QuickGELU().eval(), torch.randn(2, 5, dtype=dtype, requires_grad=True)
    assert activation(x).requires_grad
    with torch.no_grad():
        assert torch.equal(activation(x), QuickGELUActivation()(x))
        with FakeTensorMode(allow_non_fake_inputs=True) as mode:
            assert activation(mode.from_tensor(x.detach().float())).shape == x.shape
        x = x.detach().float()
        expected = QuickGELUActivation()(x)
        torch.testing.assert_close(torch.func.vmap(activation)(x), expected)
        with forward_ad.dual_level():
            assert forward_ad.unpack_dual(activation(forward_ad.make_dual(x, x))).tangent is not None


@torch.no_grad()
def test_image_encoder_has_it(monkeypatch):
    pytest.importorskip("numba")
    model = tiny_model(tiny_config(vision_config={"hidden_act": "quick_gelu"}))
    activations = [module for module in model.modules() if isinstance(module, QuickGELUActivation)]
    assert len(activations) == model.config.vision_config.num_hidden_layers
    assert {type(activation) for activation in activations} == {QuickGELU}
    sample, calls = make_sample(5, "video:a", 6), []
    compiled = FastPaths.quick_gelu
    monkeypatch.setattr(FastPaths, "quick_gelu", lambda x: calls.append(1) or compiled(x))
    found = model(**sample).logits
    assert calls
    calls.clear()
    monkeypatch.setattr(gates, "has_numba", False)
    torch.testing.assert_close(found, model(**sample).logits, rtol=1e-4, atol=1e-4)
    assert not calls


def test_other_activations_stay():
    model = tiny_model(tiny_config(vision_config={"hidden_act": "gelu"}))
    use_quick_gelu(model)
    assert not any(isinstance(module, QuickGELUActivation) for module in model.modules())
