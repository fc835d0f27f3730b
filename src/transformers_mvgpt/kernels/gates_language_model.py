# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""When the compiled prefill and decode step may stand in for those of a language model of transformers."""

import functools
import sys
from operator import attrgetter
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn.modules import module as nn_module
from transformers import Cache, DynamicCache, PreTrainedConfig, PreTrainedModel, StaticCache
from transformers.activations import ACT2FN
from transformers.cache_utils import DynamicLayer

from ..compat.cache_name import CACHE_NAME
from .gates import (
    has_hooks,
    has_own_forward,
    is_hooked,
    is_plain,
    may_be_compiled,
    may_run_triton,
    suits_triton,
    wants_more_than_logits,
)
from .numba_attention import WIDEST_HEAD
from .numba_decode_step import LAYER_WEIGHTS
from .numba_intrinsics import has_bfloat16_products, has_tile_products
from .numba_packed_weights import bits_of, packed_shape
from .quantized_linear import QuantizedLinear, is_packed


class Parts(NamedTuple):
    """The classes of a language model and its parts whose forward passes the compiled ones know."""

    model: type[nn.Module]
    layer: type[nn.Module]
    attention: type[nn.Module]
    mlp: type[nn.Module]
    norm: type[nn.Module]
    rotary_embedding: type[nn.Module]


# By the file of transformers that they are in: how the names of the classes begin. Both have the same layers, with or without
# biases.
_KNOWN_FAMILIES = {
    "transformers.models.llama.modeling_llama": "Llama",
    "transformers.models.qwen2.modeling_qwen2": "Qwen2",
}
# For fewer, keys and values take too long to be arranged.
_FEWEST_QUERIES = 64
_SILU = type(ACT2FN["silu"])
_WEIGHT_PATHS = [tuple(name.split(".")) for name in LAYER_WEIGHTS]


@functools.cache
def _known_parts(file: str, name: str) -> Parts | None:
    """Of a language model whose class has this name, in this module."""
    prefix = _KNOWN_FAMILIES.get(file)
    if prefix is None or name != f"{prefix}Model":
        return None
    module = sys.modules[file]  # it is there, as the model is: nothing is imported for other models
    names = ("Model", "DecoderLayer", "Attention", "MLP", "RMSNorm", "RotaryEmbedding")
    return Parts(*(getattr(module, f"{prefix}{part}") for part in names))


def parts_of(model: PreTrainedModel) -> Parts | None:
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
    where modules have not been changed or hooked, nor quantized by others than [`QuantizedLinear`], and nothing but the last hidden
    state is asked for.

    Returns:
        For each layer its weights in the order of `LAYER_WEIGHTS`, `None` for a bias that there is not. Nothing, if it does not.
    """
    cache, use_cache = kwargs.pop(CACHE_NAME, None), kwargs.pop("use_cache", None)
    config = language_model.config
    if (
        not may_be_compiled(inputs_embeds, **kwargs)
        or inputs_embeds.shape[:2] != (1, 1)
        or use_cache is False
        or (parts := parts_of(language_model)) is None
        or not is_plain_model(language_model, parts)
        or not holds_sequences(cache, config, inputs_embeds)
        or not _hides_nothing(attention_mask)
    ):
        return None
    first = language_model.layers[0].self_attn.q_proj
    packed_bits = bits_of(first.weight) if type(first) is QuantizedLinear else None
    return weights_of_layers(language_model, parts, inputs_embeds, packed_bits)


def weights_of_layers(
    language_model: Any, parts: Parts, like: torch.Tensor, packed_bits: int | None = None
) -> list[list[nn.Parameter | None]] | None:
    """
    In the order of `LAYER_WEIGHTS`, if all are plain ones of the dtype and device of a tensor, and layers differ in nothing but
    their weights and their place in the cache. With `packed_bits`, those of linear layers are packed instead, in so many bits.
    """
    config = language_model.config
    shapes, weights = _weight_shapes(config), []
    for layer in language_model.layers:
        of_layer = _weights_of_layer(layer, parts, like, shapes, packed_bits)
        if of_layer is None:
            return None
        weights.append(of_layer)
    attentions = [layer.self_attn for layer in language_model.layers]
    expected = [(attentions[0].scaling, key_heads(config)[1], index) for index in range(len(attentions))]
    if attention_numbers(attentions) != expected or set(epsilons(norms_of(language_model))) != {config.rms_norm_eps}:
        return None
    return weights


def norms_of(language_model: Any) -> list[nn.Module]:
    layers = language_model.layers
    return [
        *(norm for layer in layers for norm in (layer.input_layernorm, layer.post_attention_layernorm)),
        language_model.norm,
    ]


def epsilons(norms: list[nn.Module]) -> list[float]:
    return list(map(attrgetter("variance_epsilon"), norms))


def attention_numbers(attentions: list[nn.Module]) -> list[tuple[Any, ...]]:
    """Of each its scaling, the width of a head, and the layer of the cache that it takes."""
    return list(map(attrgetter("scaling", "head_dim", "layer_idx"), attentions))


def may_prefill(
    language_model: PreTrainedModel,
    inputs_embeds: torch.Tensor,
    attention_mask: torch.Tensor | None = None,
    position_ids: torch.Tensor | None = None,
    use_cache: bool | None = None,
    **kwargs: Any,
) -> bool:
    """
    Whether the compiled prefill does what a language model does for a call, on CPU or on a GPU: for several tokens, where norms
    and activations have not been changed, whatever the attentions' and MLPs' linear layers have become.
    """
    kwargs.pop(CACHE_NAME, None)
    dtype, device = inputs_embeds.dtype, inputs_embeds.device
    return (
        inputs_embeds.shape[1] > 1
        and (may_be_compiled(inputs_embeds, **kwargs) or may_run_triton(inputs_embeds, **kwargs))
        and (parts := parts_of(language_model)) is not None
        and isinstance(attention_mask, torch.Tensor | None)
        and is_plain_model(language_model, parts)
        and _is_plain_norm(language_model.norm, parts, dtype, device)
        and all(
            _is_plain_layer(layer, parts)
            and _is_plain_norm(layer.input_layernorm, parts, dtype, device)
            and _is_plain_norm(layer.post_attention_layernorm, parts, dtype, device)
            # its result is overwritten, which may not happen to what somebody keeps
            and not has_hooks(layer.mlp.gate_proj)
            for layer in language_model.layers
        )
    )


def begins_unpadded(language_model: PreTrainedModel, mask: torch.Tensor | None, cache: Cache | None) -> bool:
    """
    Whether Triton's kernels prefill whole layers, where [`may_prefill`] allows the call: where each token sees all before it, and
    none of them is in the cache.

    Args:
        mask (`torch.Tensor`, *optional*): that transformers has made of the call's.
    """
    return (
        mask is None
        and suits_triton(language_model.norm.weight.device)
        and language_model.config._attn_implementation == "sdpa"
        and (cache is None or is_new(cache))
    )


def is_new(cache: Cache) -> bool:
    """Whether nothing has been written into it, and it keeps all that is."""
    is_known = type(cache) in (DynamicCache, StaticCache) and not any(cache.is_sliding)
    return is_known and not any(layer.is_initialized for layer in cache.layers)


def may_attend(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attn_mask: torch.Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> bool:
    """
    Whether the compiled attention does what `scaled_dot_product_attention` does within a prefill or an image encoder, and is
    faster: for several tokens in bfloat16, on CPUs where PyTorch's is slow.
    """
    tensors = (query, key, value)
    if not all(type(one) is torch.Tensor and one.ndim == 4 and one.dtype == torch.bfloat16 for one in tensors):
        return False
    (batch, num_heads, num_queries, width), (_, num_key_heads, num_keys, _) = query.shape, key.shape
    is_known_mask = attn_mask is None or (
        not is_causal
        and type(attn_mask) is torch.Tensor
        and attn_mask.dtype == torch.bool
        and attn_mask.shape in ((batch, 1, num_queries, num_keys), (1, 1, num_queries, num_keys))
    )
    return (
        is_known_mask
        and may_be_compiled(query)
        and key.shape == value.shape == (batch, num_key_heads, num_keys, width)
        and num_keys > 0
        and (num_heads == num_key_heads or (enable_gqa and num_key_heads > 0 and num_heads % num_key_heads == 0))
        and num_queries >= _FEWEST_QUERIES
        and width % 2 == 0
        and 0 < width <= WIDEST_HEAD
        and dropout_p == 0
        and (scale is None or scale > 0)
        and has_bfloat16_products()
        and not has_tile_products()
    )


def may_keep_last_token(cache: Cache | None, last_layer: nn.Module) -> bool:
    """Whether the last layer may compute nothing but the keys and values of the tokens before the last."""
    is_plain_cache = (
        cache is not None and type(cache) is DynamicCache and not cache.offloading and not any(cache.is_sliding)
    )
    return is_plain_cache and not has_hooks(last_layer)


def needs_last_token_only(model: nn.Module, logits_to_keep: int | torch.Tensor) -> bool:
    """Whether nobody looks at other tokens' hidden states of a base model than the last one's."""
    if torch.compiler.is_compiling() or not isinstance(logits_to_keep, int) or logits_to_keep != 1:
        return False
    return not (is_hooked(model) or not has_own_forward(model) or nn_module._has_any_global_hook())


def is_plain_model(model: PreTrainedModel, parts: Parts) -> bool:
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


def _is_plain_layer(layer: Any, parts: Parts) -> bool:
    """Whether a layer, its attention, MLP and activation are those of transformers, whatever its linear layers and norms are."""
    return (
        is_plain(layer, parts.layer)
        and is_plain(layer.self_attn, parts.attention)
        and is_plain(layer.mlp, parts.mlp)
        and is_plain(layer.mlp.act_fn, _SILU)
    )


def _is_plain_norm(norm: Any, parts: Parts, dtype: torch.dtype, device: torch.device) -> bool:
    weight = norm.weight
    return (
        is_plain(norm, parts.norm)
        and type(weight) is nn.Parameter  # not a distributed one
        and weight.dtype == dtype
        and weight.device == device
    )


def key_heads(config: PreTrainedConfig) -> tuple[int, int]:
    """How many heads keys and values have, and how wide one is."""
    return config.num_key_value_heads, getattr(config, "head_dim", None) or (
        config.hidden_size // config.num_attention_heads
    )


def _weight_shapes(config: PreTrainedConfig) -> list[tuple[int, ...]]:
    """In the order of `LAYER_WEIGHTS`."""
    width, inner_width = config.hidden_size, config.intermediate_size
    num_key_heads, head_width = key_heads(config)
    queries, keys = config.num_attention_heads * head_width, num_key_heads * head_width
    projections = [((size, width), (size,)) for size in (queries, keys, keys)]
    output: list[tuple[int, ...]] = [(width, queries), (width,)]
    mlp: list[tuple[int, ...]] = [(inner_width, width), (inner_width, width), (width, inner_width)]
    return [(width,), *(shape for pair in projections for shape in pair), *output, (width,), *mlp]


def _weights_of_layer(
    layer: Any, parts: Parts, like: torch.Tensor, shapes: list[tuple[int, ...]], packed_bits: int | None
) -> list[nn.Parameter | None] | None:
    if not _is_plain_layer(layer, parts):
        return None
    linear = nn.Linear if packed_bits is None else QuantizedLinear
    weights: list[nn.Parameter | None] = []
    for (*parents, name, kind), shape in zip(_WEIGHT_PATHS, shapes, strict=True):
        # not by attributes, which take as long as all the rest
        module = (layer._modules[parents[0]] if parents else layer)._modules[name]
        if not is_plain(module, linear if parents else parts.norm):
            return None
        weight = module._parameters[kind]
        if weight is None:  # a bias
            weights.append(None)
            continue
        if packed_bits is None or kind == "bias" or not parents:
            is_expected = is_plain_weight(weight, shape, like)
        else:
            is_expected = is_packed(weight) and weight.shape == packed_shape(shape[0], shape[1], packed_bits)
        if not is_expected:
            return None
        weights.append(weight)
    mlp = layer.mlp._modules
    return weights if all(mlp[f"{name}_proj"]._parameters["bias"] is None for name in ("gate", "up", "down")) else None


def is_plain_weight(weight: nn.Parameter, shape: tuple[int, ...], like: torch.Tensor) -> bool:
    return (
        type(weight) is nn.Parameter  # not a quantized or a distributed one
        and weight.shape == shape
        and weight.dtype == like.dtype
        and weight.device == like.device
        and weight.is_contiguous()
    )


def holds_sequences(cache: Cache | None, config: PreTrainedConfig, inputs_embeds: torch.Tensor) -> bool:
    """Whether a cache is one that grows, and has something of each sequence in each layer, in the dtype of tokens (B, 1, h)."""
    dtype, device = inputs_embeds.dtype, inputs_embeds.device
    if cache is None or type(cache) is not DynamicCache or len(cache.layers) != config.num_hidden_layers:
        return False
    num_heads, head_width = key_heads(config)
    shape = (inputs_embeds.shape[0], num_heads, cache.get_seq_length(), head_width)
    return (
        shape[2] > 0
        and not cache.offloading
        and all(
            type(layer) is DynamicLayer
            and layer.is_initialized
            and layer.keys.shape == layer.values.shape == shape
            and layer.keys.dtype == layer.values.dtype == dtype
            and layer.keys.device == layer.values.device == device
            for layer in cache.layers
        )
    )


def _hides_nothing(attention_mask: Any) -> bool:
    """Whether a mask hides nothing of what is in the cache."""
    if attention_mask is None:
        return True
    return isinstance(attention_mask, torch.Tensor) and attention_mask.ndim == 2 and bool((attention_mask == 1).all())
