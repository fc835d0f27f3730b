# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Linear layers of a single token, such as every decode step asks for."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from .gates import is_readable_row_product, multiplies_one_row
from .numba_decode_step import multiply_row


class OneRowProducts(TorchFunctionMode):
    """
    While it is entered, a linear layer of one token in bfloat16 on CPU is a product of a matrix and a vector. PyTorch makes it
    one of two matrices, which reads the weights more slowly than memory gives them.
    """

    def __torch_function__(
        self, func: Callable, types: Iterable[type], args: tuple = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func is F.linear and not kwargs and multiplies_one_row(*args):
            return _multiply(*args)
        return func(*args, **(kwargs or {}))


def _multiply(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
    row = x.reshape(-1)
    if is_readable_row_product(row, weight, bias):
        product = multiply_row(weight, row, bias)
    else:
        product = torch.mv(weight, row) if bias is None else torch.addmv(bias, weight, row)
    return product.view(*x.shape[:-1], -1)
