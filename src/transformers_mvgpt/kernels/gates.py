# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
When a fast path may stand in for plain PyTorch: for which tensors, modules and modes it does the same. All such conditions are
here. `dispatch.py` asks once for each call. What only shows inside of a call is asked there: whether a linear layer has one token,
whether the last layer may leave tokens out, whether a compiled step can be recorded.
"""

import functools
import importlib.util
import os
import sys
from typing import Any, Literal, NamedTuple

import torch
from torch import nn
from torch.nn.modules import module as nn_module
from transformers import Cache, DynamicCache, PreTrainedConfig, PreTrainedModel, StaticCache
from transformers.activations import ACT2FN
from transformers.cache_utils import DynamicLayer
from transformers.utils.output_capturing import capture_outputs

from ..compat.cache_name import CACHE_NAME
from .mamba_ssm_scan import selective_scan_fn
from .numba_decode_step import LAYER_WEIGHTS
from .triton_support import SUITS_AUTO, runs_triton


# It is imported when it is needed.
# The second is numba's own switch, with which it compiles nothing.
_SWITCHES = (os.environ.get("MVGPT_DISABLE_NUMBA", "0"), os.environ.get("NUMBA_DISABLE_JIT", "0"))
has_numba = all(switch in ("", "0") for switch in _SWITCHES) and importlib.util.find_spec("numba") is not None

# What `generate` hands on of its own arguments.
_WITHOUT_MEANING = {"tokenizer", "assistant_tokenizer"}
# After a call with `output_hidden_states`, transformers' hooks stay. In calls without, which alone can be fast, they do nothing.
_RECORDERS = capture_outputs.__module__
# Of the prompts that are prefilled by a recording, the length is filled up to a multiple.
GRAPH_TOKENS = 64


def may_be_compiled(x: torch.Tensor, **kwargs: Any) -> bool:
    """
    Whether what numba compiles can take the place of a call on CPU: for its dtype, without gradients or other transforms.

    Args:
        x (`torch.Tensor`): what the call begins with.
        kwargs: all other arguments of the call that change what it does, if they are neither `None` nor `False`.
    """
    if torch.compiler.is_compiling() or kwargs.get("is_causal") is False:  # `False` is not what happens otherwise
        return False
    return (
        has_numba
        and type(x) in (torch.Tensor, nn.Parameter)  # not one without values
        and x.dtype in (torch.float32, torch.bfloat16)
        and x.device.type == "cpu"
        and not torch.is_grad_enabled()
        and not torch.jit.is_tracing()
        and not torch._C._are_functorch_transforms_active()
        and torch.autograd.forward_ad._current_level < 0  # tangents come without `requires_grad`
        and not torch.is_autocast_enabled("cpu")
        and all(value is None or value is False or name in _WITHOUT_MEANING for name, value in kwargs.items())
    )


def may_normalize(hidden_states: torch.Tensor, weight: torch.Tensor, training: bool) -> bool:
    """Whether `add_and_normalize` can take the place of VideoMamba's norm."""
    # in training, what is checkpointed runs without gradients at first, and must give the same then
    is_known = weight.dtype in (torch.float32, torch.bfloat16) and not training
    return is_known and may_be_compiled(hidden_states)


def may_activate(x: torch.Tensor, training: bool) -> bool:
    """Whether `quick_gelu` can take the place of CLIP's activation."""
    return not training and may_be_compiled(x)  # as in the norm


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
        x[..., 0].numel() == 1
        and x.device.type == "cpu"
        and x.dtype == torch.bfloat16
        and not torch.compiler.is_compiling()
    )


def fastest_scan(x: torch.Tensor) -> Literal["torch", "numba", "triton", "mamba_ssm"]:
    """The implementation of the selective scan that `"auto"` means."""
    if x.dtype == torch.float64:
        return "torch"
    if not x.is_cuda:
        return "numba" if x.device.type == "cpu" and has_numba else "torch"
    if SUITS_AUTO:
        return "triton"
    return "torch" if selective_scan_fn is None else "mamba_ssm"


def check_scan(implementation: str, x: torch.Tensor) -> None:
    """
    Raises:
        ImportError: if an implementation of the selective scan is not installed.
        ValueError: if it cannot take x.
    """
    is_float64 = x.dtype == torch.float64
    if implementation == "numba":
        if not has_numba:
            raise ImportError("The implementation 'numba' needs the package numba; 'torch' runs without it.")
        if x.device.type != "cpu" or is_float64:
            raise ValueError(
                f"The implementation 'numba' takes CPU tensors of at most 32 bits, x is of {x.dtype} on {x.device}: "
                "'torch' takes all."
            )
    if implementation == "triton":
        if not runs_triton(torch.device("cuda")):
            raise ImportError("The implementation 'triton' needs triton 3.3 or newer; 'torch' runs without it.")
        if x.device.type == "cpu" and not runs_triton(x.device):
            raise ValueError("The implementation 'triton' takes tensors on a GPU, x is on cpu: 'torch' takes all.")
        if is_float64:
            raise ValueError(
                f"The implementation 'triton' computes in float32, x is of {x.dtype}: 'torch' keeps the precision."
            )


def mixer_implementation(mixer: Any, hidden_states: torch.Tensor) -> Literal["numba", "triton"] | None:
    """Which kernels may run the inner part of a VideoMamba mixer as a whole: `None` where something asks for its gradient."""
    config, device, dtype = mixer.config, hidden_states.device, hidden_states.dtype
    if torch.compiler.is_compiling() or config.hidden_act != "silu":
        return None
    kernels = _mixer_kernels(config.scan_implementation, device, dtype)
    if kernels is None:
        return None
    if any(type(conv) is not mixer.convolution_class for conv in (mixer.conv1d, mixer.conv1d_b)):
        return None  # wrapped by an adapter
    tensors = (hidden_states, *mixer.parameters())
    if any(tensor.device != device for tensor in tensors) or mixer.conv1d.weight.dtype != dtype:
        return None
    # in training, as in the norm
    if (torch.is_grad_enabled() or mixer.training) and any(tensor.requires_grad for tensor in tensors):
        return None
    return None if torch.is_autocast_enabled(device.type) else kernels


def _mixer_kernels(implementation: str, device: torch.device, dtype: torch.dtype) -> Literal["numba", "triton"] | None:
    is_cpu, by_choice = device.type == "cpu", implementation == "auto"
    if is_cpu and has_numba and (by_choice or implementation == "numba"):
        return "numba" if dtype in (torch.float32, torch.bfloat16) else None
    asked = (by_choice and not is_cpu and SUITS_AUTO) or implementation == "triton"
    if asked and runs_triton(device):
        return "triton" if dtype in (torch.float32, torch.bfloat16, torch.float16) else None
    return None


class _Parts(NamedTuple):
    """The classes of a language model and its parts whose forward passes the compiled ones know."""

    model: type[nn.Module]
    layer: type[nn.Module]
    attention: type[nn.Module]
    mlp: type[nn.Module]
    norm: type[nn.Module]


# By the file of transformers that they are in: how the names of the classes begin. Both have the same layers, with or without
# biases.
_KNOWN_FAMILIES = {
    "transformers.models.llama.modeling_llama": "Llama",
    "transformers.models.qwen2.modeling_qwen2": "Qwen2",
}
_SILU = type(ACT2FN["silu"])
_WEIGHT_PATHS = [tuple(name.split(".")) for name in LAYER_WEIGHTS]


@functools.cache
def _known_parts(file: str, name: str) -> _Parts | None:
    """Of a language model whose class has this name, in this module."""
    prefix = _KNOWN_FAMILIES.get(file)
    if prefix is None or name != f"{prefix}Model":
        return None
    module = sys.modules[file]  # it is there, as the model is: nothing is imported for other models
    names = ("Model", "DecoderLayer", "Attention", "MLP", "RMSNorm")
    return _Parts(*(getattr(module, f"{prefix}{part}") for part in names))


def _parts_of(model: PreTrainedModel) -> _Parts | None:
    return _known_parts(type(model).__module__, type(model).__name__)


def weights_for_decode_step(
    language_model: PreTrainedModel,
    inputs_embeds: torch.Tensor,
    attention_mask: torch.Tensor | None = None,
    position_ids: torch.Tensor | None = None,
    **kwargs: Any,
) -> list[list[nn.Parameter | None]] | None:
    """
    Whether the compiled decode step does what a language model does for a call: for one token after others of one sequence,
    where modules have not been changed, quantized or hooked, and nothing but the last hidden state is asked for.

    Returns:
        For each layer its weights in the order of `LAYER_WEIGHTS`, `None` for a bias that there is not. Nothing, if it does not.
    """
    cache, use_cache = kwargs.pop(CACHE_NAME, None), kwargs.pop("use_cache", None)
    config, dtype = language_model.config, inputs_embeds.dtype
    if (
        not may_be_compiled(inputs_embeds, **kwargs)
        or inputs_embeds.shape[:2] != (1, 1)
        or use_cache is False
        or (parts := _parts_of(language_model)) is None
        or not _is_plain_model(language_model, parts)
        or not _holds_one_sequence(cache, config, dtype)
        or not _hides_nothing(attention_mask)
    ):
        return None
    shapes, weights = _weight_shapes(config), []
    for layer in language_model.layers:
        of_layer = _weights_of_layer(layer, parts, dtype, shapes)
        if of_layer is None:
            return None
        weights.append(of_layer)
    return weights


def may_prefill(
    language_model: PreTrainedModel,
    inputs_embeds: torch.Tensor,
    attention_mask: torch.Tensor | None = None,
    position_ids: torch.Tensor | None = None,
    use_cache: bool | None = None,
    **kwargs: Any,
) -> bool:
    """
    Whether the compiled prefill does what a language model does for a call: for several tokens, where norms and activations
    have not been changed, whatever the attentions' and MLPs' linear layers have become.
    """
    kwargs.pop(CACHE_NAME, None)
    dtype = inputs_embeds.dtype
    return (
        may_be_compiled(inputs_embeds, **kwargs)
        and inputs_embeds.shape[1] > 1
        and (parts := _parts_of(language_model)) is not None
        and isinstance(attention_mask, torch.Tensor | None)
        and _is_plain_model(language_model, parts)
        and _is_plain_norm(language_model.norm, parts, dtype)
        and all(
            _is_plain_layer(layer, parts)
            and _is_plain_norm(layer.input_layernorm, parts, dtype)
            and _is_plain_norm(layer.post_attention_layernorm, parts, dtype)
            # its result is overwritten, which may not happen to what somebody keeps
            and not _has_hooks(layer.mlp.gate_proj)
            for layer in language_model.layers
        )
    )


def may_keep_last_token(cache: Cache | None, last_layer: nn.Module) -> bool:
    """Whether the last layer may compute nothing but the keys and values of the tokens before the last."""
    is_plain_cache = (
        cache is not None and type(cache) is DynamicCache and not cache.offloading and not any(cache.is_sliding)
    )
    return is_plain_cache and not _has_hooks(last_layer)


def needs_last_token_only(model: nn.Module, logits_to_keep: int | torch.Tensor) -> bool:
    """Whether nobody looks at other tokens' hidden states of a base model than the last one's."""
    if torch.compiler.is_compiling() or not isinstance(logits_to_keep, int) or logits_to_keep != 1:
        return False
    return not (_is_hooked(model) or "forward" in model.__dict__ or nn_module._has_any_global_hook())


def is_plain(module: nn.Module, kind: type[nn.Module]) -> bool:
    """Whether nobody has replaced, wrapped or hooked a module."""
    return (
        type(module) is kind
        and "forward" not in module.__dict__
        and module._compiled_call_impl is None
        and not _is_hooked(module)
    )


def _is_hooked(module: nn.Module) -> bool:
    if not (module._forward_hooks or module._forward_pre_hooks):
        return False
    recorders = [getattr(hook, "__module__", None) == _RECORDERS for hook in module._forward_hooks.values()]
    return bool(module._forward_pre_hooks) or not all(recorders)


def _has_hooks(module: nn.Module) -> bool:
    """Whether somebody looks at it, or at a part of it."""
    return any(_is_hooked(part) for part in module.modules())


def _is_plain_model(model: PreTrainedModel, parts: _Parts) -> bool:
    """Whether a language model's forward pass is that of transformers, with an attention to all tokens."""
    config = model.config
    return (
        is_plain(model, parts.model)
        and len(model.layers) == config.num_hidden_layers
        and set(getattr(config, "layer_types", None) or ["full_attention"]) == {"full_attention"}
        and config._attn_implementation in ("eager", "sdpa")
        and getattr(config, "is_causal", None) is not False
        and not model.training  # in training, what is checkpointed must give the same with gradients
        and not wants_more_than_logits(config)
        and not nn_module._has_any_global_hook()
    )


def _is_plain_layer(layer: Any, parts: _Parts) -> bool:
    """Whether a layer, its attention, MLP and activation are those of transformers, whatever its linear layers and norms are."""
    return (
        is_plain(layer, parts.layer)
        and is_plain(layer.self_attn, parts.attention)
        and is_plain(layer.mlp, parts.mlp)
        and is_plain(layer.mlp.act_fn, _SILU)
    )


def _is_plain_norm(norm: Any, parts: _Parts, dtype: torch.dtype) -> bool:
    return is_plain(norm, parts.norm) and norm.weight.dtype == dtype and norm.weight.device.type == "cpu"


def _weight_shapes(config: PreTrainedConfig) -> list[tuple[int, ...]]:
    """In the order of `LAYER_WEIGHTS`."""
    width, inner_width = config.hidden_size, config.intermediate_size
    head_width = getattr(config, "head_dim", None) or width // config.num_attention_heads
    queries, keys = config.num_attention_heads * head_width, config.num_key_value_heads * head_width
    projections = [((size, width), (size,)) for size in (queries, keys, keys)]
    output: list[tuple[int, ...]] = [(width, queries), (width,)]
    mlp: list[tuple[int, ...]] = [(inner_width, width), (inner_width, width), (width, inner_width)]
    return [(width,), *(shape for pair in projections for shape in pair), *output, (width,), *mlp]


def _weights_of_layer(
    layer: Any, parts: _Parts, dtype: torch.dtype, shapes: list[tuple[int, ...]]
) -> list[nn.Parameter | None] | None:
    if not _is_plain_layer(layer, parts):
        return None
    weights: list[nn.Parameter | None] = []
    for (*parents, name, kind), shape in zip(_WEIGHT_PATHS, shapes, strict=True):
        # not by attributes, which take as long as all the rest
        module = (layer._modules[parents[0]] if parents else layer)._modules[name]
        if not is_plain(module, nn.Linear if parents else parts.norm):
            return None
        weight = module._parameters[kind]
        if weight is None:  # a bias
            weights.append(None)
            continue
        if not (
            type(weight) is nn.Parameter  # not a quantized or a distributed one
            and weight.shape == shape
            and weight.dtype == dtype
            and weight.device.type == "cpu"
            and weight.is_contiguous()
        ):
            return None
        weights.append(weight)
    mlp = layer.mlp._modules
    return weights if all(mlp[f"{name}_proj"]._parameters["bias"] is None for name in ("gate", "up", "down")) else None


def _holds_one_sequence(cache: Cache | None, config: PreTrainedConfig, dtype: torch.dtype) -> bool:
    """Whether a cache is one that grows, and has something of one sequence in each layer."""
    if cache is None or type(cache) is not DynamicCache or len(cache.layers) != config.num_hidden_layers:
        return False
    shape = (1, config.num_key_value_heads, cache.get_seq_length())
    return (
        shape[2] > 0
        and not cache.offloading
        and all(
            type(layer) is DynamicLayer
            and layer.is_initialized
            and layer.keys.shape[:3] == layer.values.shape[:3] == shape
            and layer.keys.dtype == layer.values.dtype == dtype
            and layer.keys.device.type == layer.values.device.type == "cpu"
            for layer in cache.layers
        )
    )


def _hides_nothing(attention_mask: Any) -> bool:
    """Whether a mask hides nothing of what is in the cache."""
    if attention_mask is None:
        return True
    return isinstance(attention_mask, torch.Tensor) and attention_mask.ndim == 2 and bool((attention_mask == 1).all())


def wants_more_than_logits(config: PreTrainedConfig) -> bool:
    """Whether a config, or that of its language model, asks for hidden states or attentions."""
    configs = (config, config.get_text_config())
    return any(one.output_hidden_states or one.output_attentions for one in configs)


def may_replay_graphs(model: nn.Module) -> bool:
    """Whether recordings of a model's CUDA kernels may be replayed now."""
    if torch.compiler.is_compiling() or torch.is_grad_enabled() or model.training:
        return False
    # under autocast, weights are read from copies that are gone afterwards
    return not torch.is_autocast_enabled("cuda")


def may_replay_prefill(
    language_model: PreTrainedModel,
    inputs_embeds: torch.Tensor,
    attention_mask: Any = None,
    position_ids: torch.Tensor | None = None,
    use_cache: bool | None = None,
    **kwargs: Any,
) -> bool:
    """Whether a call is a prefill of prompts without padding that begin a conversation, which a recording can do."""
    cache = kwargs.pop(CACHE_NAME, None)
    return (
        inputs_embeds.shape[1] >= GRAPH_TOKENS  # not a generated token, or a few of a later turn
        and all(value is None or value is False for value in kwargs.values())
        and not wants_more_than_logits(language_model.config)
        and _is_new(DynamicCache(config=language_model.config) if cache is None else cache)
        and _is_whole(attention_mask, position_ids)
    )


def _is_new(cache: Cache) -> bool:
    """Whether nothing has been written into it, and it keeps all that is."""
    is_known = type(cache) in (DynamicCache, StaticCache) and not any(cache.is_sliding)
    return is_known and not any(layer.is_initialized for layer in cache.layers)


def _is_whole(attention_mask: Any, position_ids: torch.Tensor | None) -> bool:
    """Whether prompts are whole, and their tokens are counted from 0 and see those before them."""
    if isinstance(attention_mask, dict):  # of each kind of layer, as `generate` makes them for a cache of fixed size
        if attention_mask.keys() != {"full_attention"}:
            return False
        attention_mask = attention_mask["full_attention"]
    if attention_mask is not None and not isinstance(attention_mask, torch.Tensor):  # flex attention's
        return False
    checks = []
    if attention_mask is not None and attention_mask.ndim == 2:
        checks.append((attention_mask == 1).all())
    elif attention_mask is not None:  # (B, 1, L, length of the cache)
        if attention_mask.dtype != torch.bool:
            return False
        rows, columns = (torch.arange(size, device=attention_mask.device) for size in attention_mask.shape[-2:])
        checks.append((attention_mask == (columns <= rows[:, None])).all())
    if position_ids is not None:
        checks.append((position_ids == torch.arange(position_ids.shape[-1], device=position_ids.device)).all())
    return not checks or bool(torch.stack(checks).all())  # one time only, the GPU is waited for


def makes_one_token(inputs: dict[str, Any]) -> bool:
    """Whether a call has one token of each prompt, a cache whose length is a tensor, and is asked for nothing but logits."""
    cache, ids = inputs[CACHE_NAME], inputs.get("input_ids")
    return (
        type(cache) is StaticCache
        and not any(cache.is_sliding)
        and all(layer.is_initialized for layer in cache.layers)
        and ids is not None
        and ids.shape[1] == 1
        and not (inputs.get("output_hidden_states") or inputs.get("output_attentions"))
    )
