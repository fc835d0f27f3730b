# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
When a fast path may stand in for plain PyTorch: for which tensors, modules and modes it does the same. All such conditions are
here and, of a language model, its decode step on a GPU, CUDA graphs and VideoMamba, in `gates_language_model.py`, `gates_gpu_decode.py`,
`gates_graphs.py` and `gates_video_encoder.py`. `dispatch.py` asks once for each call. What only shows inside of a call is asked there: whether a linear layer
has one token, whether the last layer may leave tokens out, whether a compiled step can be recorded.
"""

import functools
import importlib.util
import os
import sys
from collections.abc import Iterable
from typing import Any

import torch
from torch import nn
from torch.nn.modules import module as nn_module
from transformers import PreTrainedConfig
from transformers.utils.output_capturing import capture_outputs

from .triton_support import SUITS_AUTO, runs_triton


# It is imported when it is needed.
# The second is numba's own switch, with which it compiles nothing.
_SWITCHES = (os.environ.get("MVGPT_DISABLE_NUMBA", "0"), os.environ.get("NUMBA_DISABLE_JIT", "0"))
has_numba = all(switch in ("", "0") for switch in _SWITCHES) and importlib.util.find_spec("numba") is not None

# Where Triton's kernels run; in its interpreter, "cpu".
_TRITON_DEVICE = "cuda"

_CLIP = "transformers.models.clip.modeling_clip"

# What `generate` hands on of its own arguments.
WITHOUT_MEANING = {"tokenizer", "assistant_tokenizer"}
# After a call with `output_hidden_states`, transformers' hooks stay. In calls without, which alone can be fast, they do nothing.
_RECORDERS = capture_outputs.__module__


def may_be_compiled(x: torch.Tensor, **kwargs: Any) -> bool:
    """
    Whether what numba compiles can take the place of a call on CPU: for its dtype, without gradients or other transforms.

    Args:
        x (`torch.Tensor`): what the call begins with.
        kwargs: all other arguments of the call that change what it does, if they are neither `None` nor `False`.
    """
    return (
        has_numba
        and x.dtype in (torch.float32, torch.bfloat16)
        and x.device.type == "cpu"
        and _is_plain_call(x, **kwargs)
    )


def may_run_triton(x: torch.Tensor, **kwargs: Any) -> bool:
    """As [`may_be_compiled`], of Triton's kernels on GPUs."""
    return (
        x.device.type == _TRITON_DEVICE  # autocast does not know all others
        and x.dtype in (torch.float32, torch.bfloat16, torch.float16)
        and x.numel() > 0
        and _is_plain_call(x, **kwargs)
        and suits_triton(x.device)
    )


def suits_triton(device: torch.device) -> bool:
    """Whether Triton's kernels can be built and are quick there: on NVIDIA's GPUs that compute in bfloat16."""
    return SUITS_AUTO and device.type == _TRITON_DEVICE and (device.type != "cuda" or _has_bfloat16(device))


@functools.cache
def _has_bfloat16(device: torch.device) -> bool:
    return torch.cuda.get_device_capability(device) >= (8, 0)


def _is_plain_call(x: torch.Tensor, **kwargs: Any) -> bool:
    if torch.compiler.is_compiling() or kwargs.get("is_causal") is False:  # `False` is not what happens otherwise
        return False
    return (
        type(x) in (torch.Tensor, nn.Parameter)  # not one without values
        and not is_transformed(x.device)
        and all(value is None or value is False or name in WITHOUT_MEANING for name, value in kwargs.items())
    )


def is_transformed(device: torch.device) -> bool:
    """Whether operations on a device do more now than they say: gradients, autocast, tracing or transforms."""
    return (
        torch.is_grad_enabled()
        or torch.jit.is_tracing()
        or torch._C._are_functorch_transforms_active()
        or torch.autograd.forward_ad._current_level >= 0  # tangents come without `requires_grad`
        or torch.is_autocast_enabled(device.type)
    )


def may_decode_with_triton(device: torch.device) -> bool:
    """Whether the kernels of a decode step run on a device: on a GPU with fast copies into shared memory, or in the interpreter."""
    if device.type != "cuda":
        return device.type == "cpu" and runs_triton(device)
    return suits_triton(device)


def may_activate(x: torch.Tensor, training: bool) -> bool:
    """Whether `quick_gelu` can take the place of CLIP's activation."""
    return not training and may_be_compiled(x)  # as in the norm


def may_run_image_layers(layers: Iterable[Any], hidden_states: torch.Tensor, activation: type[nn.Module]) -> bool:
    """
    Whether Triton's kernels can take the place of CLIP's layers.

    Args:
        layers (`Iterable[nn.Module]`): one after the other.
        activation (`type`): the class of their QuickGELU.
    """
    if not may_run_triton(hidden_states) or nn_module._has_any_global_hook():
        return False
    dtype, device = hidden_states.dtype, hidden_states.device
    clip: Any = sys.modules.get(_CLIP)
    are_there = False
    for layer in layers:
        are_there = True
        if not (
            type(layer).__module__ == _CLIP
            and is_plain(layer, clip.CLIPEncoderLayer)
            and is_plain(layer.self_attn, clip.CLIPAttention)
            and is_plain(layer.mlp, clip.CLIPMLP)
            and is_plain(layer.mlp.activation_fn, activation)
            and layer.self_attn.config._attn_implementation == "sdpa"
            and not layer.self_attn.is_causal
            and not layer.training
            and all(_is_plain_layer_norm(norm, dtype, device) for norm in (layer.layer_norm1, layer.layer_norm2))
        ):
            return False
    return are_there


def may_compile_image_layers(layers: Iterable[Any], hidden_states: torch.Tensor) -> bool:
    """
    Whether functions that an image encoder's layers call can be compiled on CPU, each where it has a gate that allows it.

    Args:
        layers (`Iterable[nn.Module]`): CLIP's or SigLIP's.
    """
    # in training, what is checkpointed runs without gradients at first, and must give the same then
    return may_be_compiled(hidden_states) and not any(layer.training for layer in layers)


def _is_plain_layer_norm(norm: Any, dtype: torch.dtype, device: torch.device) -> bool:
    return (
        is_plain(norm, nn.LayerNorm)
        and len(norm.normalized_shape) == 1
        and all(
            type(parameter) is nn.Parameter and parameter.dtype == dtype and parameter.device == device
            for parameter in (norm.weight, norm.bias)
        )
    )


def multiplies_one_row(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> bool:
    """Whether a linear layer is a product of a matrix and a vector in bfloat16 on CPU."""
    return (
        x.numel() == x.shape[-1]
        and x.dtype == weight.dtype == torch.bfloat16
        and x.device.type == "cpu"
        and type(weight) in (torch.Tensor, nn.Parameter)  # not a quantized one
        and not torch.is_grad_enabled()
    )


def is_readable_row_product(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> bool:
    """Whether numba can read the weights of such a layer by their address. For others, PyTorch has products, or an error."""
    if not has_numba or weight.shape[-1:] != x.shape[-1:] or not weight.is_contiguous():
        return False
    return bias is None or (
        bias.dtype == torch.bfloat16 and bias.is_contiguous() and bias.shape[-1:] == weight.shape[:1]
    )


def gains_from_row_products(x: torch.Tensor) -> bool:
    """Whether there are such layers in what x (..., width) goes through. `torch.compile` has its own products."""
    return (
        x.device.type == "cpu"
        and x.dtype == torch.bfloat16
        and x[..., 0].numel() == 1
        and not torch.compiler.is_compiling()
    )


def is_plain(module: nn.Module, kind: type[nn.Module]) -> bool:
    """Whether nobody has replaced, wrapped or hooked a module."""
    return (
        type(module) is kind
        and has_own_forward(module)
        and module._compiled_call_impl is None
        and not is_hooked(module)
    )


def has_own_forward(module: nn.Module) -> bool:
    """Whether its forward pass is that of its class. transformers' exporters put others in its place, and then the first as an attribute."""
    forward = module.__dict__.get("forward")
    if forward is None:
        return True
    return getattr(forward, "__func__", None) is type(module).forward and forward.__self__ is module


def is_hooked(module: nn.Module) -> bool:
    if not (module._forward_hooks or module._forward_pre_hooks):
        return False
    recorders = [getattr(hook, "__module__", None) == _RECORDERS for hook in module._forward_hooks.values()]
    return bool(module._forward_pre_hooks) or not all(recorders)


def has_hooks(module: nn.Module) -> bool:
    """Whether somebody looks at it, or at a part of it."""
    return any(is_hooked(part) for part in module.modules())


def wants_more_than_logits(config: PreTrainedConfig) -> bool:
    """Whether a config, or that of its language model, asks for hidden states or attentions."""
    configs = (config, config.get_text_config())
    return any(one.output_hidden_states or one.output_attentions for one in configs)
