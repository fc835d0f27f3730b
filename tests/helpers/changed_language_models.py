# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""What can happen to a language model of several layers so that it must run itself."""

from torch import nn


def _add_bias(model):
    projection = model.layers[1].mlp.up_proj
    projection.bias = nn.Parameter(projection.weight.new_zeros(len(projection.weight)))


def _wrap_forward(model):
    own = model.layers[1].mlp.forward
    model.layers[1].mlp.forward = lambda hidden_states: own(hidden_states)


def _derive_layer(model):
    class Projection(nn.Linear):
        pass

    before = model.layers[1].self_attn.v_proj
    model.layers[1].self_attn.v_proj = Projection(before.in_features, before.out_features)


def _replace_layer(model):
    model.layers[1].mlp.up_proj = nn.Sequential(model.layers[1].mlp.up_proj)


def _replace_weight(model):
    projection = model.layers[1].mlp.up_proj
    projection.weight = nn.Parameter(projection.weight.new_zeros(38, projection.in_features))


def _transpose_weight(model):
    weight = model.layers[1].mlp.up_proj.weight
    weight.data = weight.data.T.contiguous().T


CHANGES = {
    "another activation": lambda model: setattr(model.layers[1].mlp, "act_fn", nn.GELU()),
    "a bias": _add_bias,
    "a hook": lambda model: model.layers[1].register_forward_hook(lambda *_: None),
    "a hook before": lambda model: model.norm.register_forward_pre_hook(lambda *_: None),
    "a wrapped forward": _wrap_forward,
    "a derived layer": _derive_layer,
    "another layer": _replace_layer,
    "a weight of another shape": _replace_weight,
    "a weight of another layout": _transpose_weight,
    "a weight of another dtype": lambda model: model.layers[1].mlp.up_proj.double(),
    "another attention": lambda model: setattr(model.config, "_attn_implementation", "flex_attention"),
    "sliding windows": lambda model: setattr(model.config, "layer_types", ["sliding_attention"] * 3),
    "hidden states": lambda model: setattr(model.config, "output_hidden_states", True),
    "fewer layers": lambda model: setattr(model.config, "num_hidden_layers", 2),
    "another epsilon": lambda model: setattr(model.layers[1].input_layernorm, "variance_epsilon", 0.5),
    "another scaling": lambda model: setattr(model.layers[1].self_attn, "scaling", 0.3),
    "another place in the cache": lambda model: setattr(model.layers[1].self_attn, "layer_idx", 0),
    "training": lambda model: model.train(),
}
