# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The attention of a prefill on CPU: the compiled one of `numba_attention.py` in the place of PyTorch's."""

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from .gates_language_model import may_attend
from .numba_attention import attend


class CompiledAttention(TorchFunctionMode):
    """
    While it is entered, `scaled_dot_product_attention` is compiled by numba where [`may_attend`] allows it. So an attention
    module can be called as it is, whatever its linear layers have become.
    """

    def __torch_function__(
        self, func: Callable, types: Iterable[type], args: tuple = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func is F.scaled_dot_product_attention and may_attend(*args, **(kwargs or {})):
            return _attend(*args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))


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
    return attend(query, key, value, attn_mask, scale).transpose(1, 2)  # (B, H, L, D)
