# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Linear layers of a single row, such as every token after the first asks for."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode


class OneRowProducts(TorchFunctionMode):
    """
    While it is entered, a linear layer of one row in bfloat16 on CPU is a product of a matrix and a vector. PyTorch makes it
    one of two matrices, which reads the weights more slowly than memory gives them.
    """

    def __torch_function__(
        self, func: Callable, types: Iterable[type], args: tuple = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func is F.linear and not kwargs and _has_one_row(*args):
            return _multiply(*args)
        return func(*args, **(kwargs or {}))


def _has_one_row(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> bool:
    return (
        x.numel() == x.shape[-1]
        and x.dtype == weight.dtype == torch.bfloat16
        and x.device.type == "cpu"
        and type(weight) in (torch.Tensor, torch.nn.Parameter)  # not a quantised one
        and not torch.is_grad_enabled()
    )


def _multiply(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
    row = x.reshape(-1)
    product = torch.mv(weight, row) if bias is None else torch.addmv(bias, weight, row)
    return product.view(*x.shape[:-1], -1)
