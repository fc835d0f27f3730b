# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Whether a language model's modules are those of transformers, so that something faster may do the same in their place."""

from typing import Any

import torch
from torch import nn
from torch.nn.modules import module as nn_module
from transformers import PreTrainedModel
from transformers.activations import ACT2FN
from transformers.models.qwen2.modeling_qwen2 import Qwen2Attention, Qwen2DecoderLayer, Qwen2MLP, Qwen2Model

from .graphs_model import wants_more_than_logits
from .numba_scan import has_numba


_SILU = type(ACT2FN["silu"])
# what `generate` hands on of its own arguments
_OF_NO_MEANING = {"tokenizer", "assistant_tokenizer"}


def may_be_compiled(x: torch.Tensor, **kwargs: Any) -> bool:
    """
    Whether what numba compiles can take the place of a call on CPU: for its dtype, without gradients or other transforms.

    Args:
        x (`torch.Tensor`): what the call begins with.
        kwargs: all other arguments of the call that changes what it does, if it is neither `None` nor `False`.
    """
    if kwargs.get("is_causal") is False:  # it is not what happens otherwise
        return False
    return (
        has_numba
        and type(x) in (torch.Tensor, nn.Parameter)  # not one without values
        and x.dtype in (torch.float32, torch.bfloat16)
        and x.device.type == "cpu"
        and not torch.is_grad_enabled()
        and not torch.compiler.is_compiling()
        and not torch.jit.is_tracing()
        and not torch._C._are_functorch_transforms_active()
        and torch.autograd.forward_ad._current_level < 0  # tangents come without `requires_grad`
        and not torch.is_autocast_enabled("cpu")
        and all(value is None or value is False or name in _OF_NO_MEANING for name, value in kwargs.items())
    )


def is_plain(module: nn.Module, kind: type[nn.Module]) -> bool:
    """Whether nobody has replaced, wrapped or hooked a module."""
    return (
        type(module) is kind
        and "forward" not in module.__dict__
        and module._compiled_call_impl is None
        and not module._forward_hooks
        and not module._forward_pre_hooks
    )


def is_plain_layer(layer: Qwen2DecoderLayer) -> bool:
    """Whether a layer, its attention, MLP and activation are those of Qwen2, whatever its linear layers and norms are."""
    return (
        is_plain(layer, Qwen2DecoderLayer)
        and is_plain(layer.self_attn, Qwen2Attention)
        and is_plain(layer.mlp, Qwen2MLP)
        and is_plain(layer.mlp.act_fn, _SILU)
    )


def is_watched(module: nn.Module) -> bool:
    """Whether there are hooks that see what a module returns, or somebody has wrapped it."""
    return bool(module._forward_hooks or "forward" in module.__dict__ or nn_module._has_any_global_hook())


def is_plain_model(model: PreTrainedModel) -> bool:
    """Whether a language model's forward pass is that of Qwen2 in transformers, with an attention to all tokens."""
    config = model.config
    return (
        is_plain(model, Qwen2Model)
        and len(model.layers) == config.num_hidden_layers
        and set(config.layer_types) == {"full_attention"}
        and config._attn_implementation in ("eager", "sdpa")
        and getattr(config, "is_causal", None) is not False
        and not model.training  # in training, what is checkpointed must give the same with gradients
        and not wants_more_than_logits(config)
        and not nn_module._has_any_global_hook()
    )
