# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Linear layers, plain or not."""

import torch
from torch import nn
from torch.nn import functional as F

from .gates import is_plain


def is_plain_linear(module: nn.Module) -> bool:
    """Whether nobody has wrapped, quantized or hooked a linear layer."""
    return is_plain(module, nn.Linear) and type(module._parameters["weight"]) is nn.Parameter


def apply_linear(module: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """
    What a linear layer returns for x, contiguous and in its dtype: a quantized one may return another. A plain one is not called
    as a module, which takes Python as long as the product.

    Args:
        module (`nn.Module`): (..., a) -> (..., b).
        x (`torch.Tensor` of shape `(..., a)`): contiguous.
    """
    if is_plain_linear(module):
        return F.linear(x, module._parameters["weight"], module._parameters["bias"])  # type: ignore[arg-type]
    return module(x).to(x.dtype).contiguous()
