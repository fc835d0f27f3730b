# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Functions of `torch.nn.functional` on CPU, compiled by numba in the place of PyTorch's."""

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from .gates import may_be_compiled
from .gates_language_model import may_attend
from .numba_attention import attend
from .numba_elementwise import gelu_tanh


class CompiledFunctional(TorchFunctionMode):
    """
    While it is entered, `scaled_dot_product_attention` is compiled by numba where [`may_attend`] allows it, and so is the GELU with a
    hyperbolic tangent. So modules can be called as they are, whatever their linear layers have become.
    """

    def __torch_function__(
        self, func: Callable, types: Iterable[type], args: tuple = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func is F.scaled_dot_product_attention and may_attend(*args, **kwargs):
            return _attend(*args, **kwargs)
        if func is F.gelu and len(args) == 1 and kwargs == {"approximate": "tanh"} and may_be_compiled(args[0]):
            return gelu_tanh(args[0])
        return func(*args, **kwargs)


def _attend(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attn_mask: torch.Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> torch.Tensor:
    scale = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    return attend(query, key, value, attn_mask, scale, is_causal).transpose(1, 2)  # (B, H, L, D)
