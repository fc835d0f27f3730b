# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""When CUDA kernels of a call may be recorded, and recordings replayed."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn
from torch.nn.modules import module as nn_module
from torch.overrides import _get_current_function_mode_stack
from torch.utils._device import DeviceContext
from transformers import DynamicCache, PreTrainedModel, StaticCache

from ..compat.cache_name import CACHE_NAME
from .gates import has_own_forward, is_hooked, wants_more_than_logits
from .gates_language_model import is_new
from .graphs_fingerprint import tensors_of


# Of the prompts that are prefilled by a recording, the length is filled up to a multiple.
GRAPH_TOKENS = 64


def may_replay_graphs(model: nn.Module) -> bool:
    """Whether recordings of a model's CUDA kernels may be made or replayed now, as far as the mode of the call goes."""
    if torch.compiler.is_compiling() or torch.is_grad_enabled() or model.training:
        return False
    return not (
        # under autocast, weights are read from copies that are gone afterwards
        torch.is_autocast_enabled("cuda")
        or torch.jit.is_tracing()
        or torch._C._are_functorch_transforms_active()
        or torch.autograd.forward_ad._current_level >= 0
        or torch.is_anomaly_enabled()
        # somebody looks at each operation or module
        or torch._C._len_torch_dispatch_stack()
        or not all(isinstance(mode, DeviceContext) for mode in _get_current_function_mode_stack())
        or nn_module._has_any_global_hook()
        or (torch.cuda.is_initialized() and torch.cuda.is_current_stream_capturing())
    )


def records_by_itself(device: torch.device) -> bool:
    """Whether the kernels of a model on a device are recorded without being asked for: on NVIDIA's, where that was tried."""
    return device.type == "cuda" and torch.version.hip is None


def may_record(modules: list[nn.Module], tensors: Iterable[torch.Tensor]) -> bool:
    """
    Whether modules do nothing but compute with plain tensors on the device of a call's tensors, always in the same way: without
    hooks, forward passes of their own (in which somebody may look on), dropout, and rotary embeddings that depend on the length.
    """
    devices = {tensor.device for tensor in tensors}
    for module in modules:
        if module.training or is_hooked(module) or not has_own_forward(module):
            return False
        if any(name in str(getattr(module, "rope_type", "")) for name in ("dynamic", "longrope")):
            return False
        for tensor in tensors_of(module):
            if type(tensor) not in (torch.Tensor, nn.Parameter) or tensor.layout != torch.strided:
                return False  # quantized or distributed
            devices.add(tensor.device)
    return len(devices) == 1


def modes_now() -> tuple[Any, ...]:
    """The switches of this process that decide which kernels are taken. (Tensors of inference mode stay in it.)"""
    backends = torch.backends.cuda
    return (
        torch.is_inference_mode_enabled(),
        torch.get_default_dtype(),
        torch.are_deterministic_algorithms_enabled(),
        *(backends.flash_sdp_enabled(), backends.mem_efficient_sdp_enabled()),
        *(backends.math_sdp_enabled(), backends.cudnn_sdp_enabled()),
        torch._C._get_cublas_allow_fp16_reduced_precision_reduction(),
        torch._C._get_cublas_allow_bf16_reduced_precision_reduction(),
        *(torch.backends.cudnn.enabled, torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic),
        *_float32_precision(),
    )


def _float32_precision() -> tuple[Any, ...]:
    if (precision := getattr(torch._C, "_get_fp32_precision_getter", None)) is not None:
        return precision("cuda", "matmul"), precision("cuda", "conv")
    return torch._C._get_cublas_allow_tf32(), torch._C._get_cudnn_allow_tf32()  # before torch 2.9


def may_replay_prefill(
    language_model: PreTrainedModel,
    inputs_embeds: torch.Tensor,
    attention_mask: Any = None,
    position_ids: torch.Tensor | None = None,
    use_cache: bool | None = None,
    **kwargs: Any,
) -> bool:
    """
    Whether a call is a prefill of prompts without padding that begin a conversation, which a recording can do, if the positions
    are those from 0 on: see [`count_from_zero`].
    """
    cache = kwargs.pop(CACHE_NAME, None)
    return (
        inputs_embeds.shape[1] >= GRAPH_TOKENS  # not a generated token, or a few of a later turn
        and all(value is None or value is False for value in kwargs.values())
        and not wants_more_than_logits(language_model.config)
        and is_new(DynamicCache(config=language_model.config) if cache is None else cache)
        and _is_whole(attention_mask)
    )


def count_from_zero(position_ids: torch.Tensor) -> torch.Tensor:
    """Whether tokens are counted from 0: a tensor, so that nobody has to wait for it."""
    return (position_ids == torch.arange(position_ids.shape[-1], device=position_ids.device)).all()


def _is_whole(attention_mask: Any) -> bool:
    """Whether prompts are whole, and their tokens see those before them. A mask is waited for: `generate` has none here."""
    if isinstance(attention_mask, dict):  # of each kind of layer, as `generate` makes them for a cache of fixed size
        if attention_mask.keys() != {"full_attention"}:
            return False
        attention_mask = attention_mask["full_attention"]
    if attention_mask is None:
        return True
    if not isinstance(attention_mask, torch.Tensor):  # flex attention's
        return False
    if attention_mask.ndim == 2:
        return bool((attention_mask == 1).all())
    if attention_mask.dtype != torch.bool:
        return False
    rows, columns = (torch.arange(size, device=attention_mask.device) for size in attention_mask.shape[-2:])
    return bool((attention_mask == (columns <= rows[:, None])).all())  # (B, 1, L, length of the cache)


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
