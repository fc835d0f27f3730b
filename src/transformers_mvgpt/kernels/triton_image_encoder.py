# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
The layers of CLIP's image encoder on a GPU without gradients: ten kernels a layer, and no copies between them.

Symbols in the shape comments: S images, L tokens, h width, H heads, D width of a head.
"""

from collections.abc import Sequence
from typing import Any

import torch

from .gpu_attention import attend
from .plain_linear import apply_linear
from .triton_elementwise import add_and_layer_norm, quick_gelu


def run_image_layers(layers: Sequence[Any], hidden_states: torch.Tensor) -> torch.Tensor:
    """
    What layers of CLIP make of hidden states one after the other, where [`may_run_image_layers`] allows it. Linear layers that
    are not plain are called as they are.

    Args:
        layers (`Sequence[CLIPEncoderLayer]`): at least one.
        hidden_states (`torch.Tensor` of shape `(S, L, h)`): on a GPU, of at most 32 bits.

    Returns:
        `torch.Tensor` of shape `(S, L, h)`.
    """
    hidden = hidden_states.clone(memory_format=torch.contiguous_format)
    update = None
    with torch.cuda.device_of(hidden):
        for layer in layers:
            attention, mlp = layer.self_attn, layer.mlp
            normed = _add_and_normalize(hidden, update, layer.layer_norm1)
            queries, keys, values = (
                apply_linear(projection, normed).view(*hidden.shape[:2], -1, attention.head_dim).transpose(1, 2)
                for projection in (attention.q_proj, attention.k_proj, attention.v_proj)
            )  # (S, H, L, D) each
            attended = attend(queries, keys, values, attention.scale, is_causal=False)
            attended = apply_linear(attention.out_proj, attended.transpose(1, 2).reshape(hidden.shape))
            normed = _add_and_normalize(hidden, attended, layer.layer_norm2)
            update = apply_linear(mlp.fc2, quick_gelu(apply_linear(mlp.fc1, normed)))
    assert update is not None  # there is a layer
    return hidden.add_(update)


def _add_and_normalize(hidden: torch.Tensor, update: torch.Tensor | None, norm: Any) -> torch.Tensor:
    return add_and_layer_norm(hidden, update, norm.weight, norm.bias, norm.eps)
