# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Linear layers of a single row, such as every token after the first asks for."""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from .numba_decode_step import multiply_row
from .numba_scan import has_numba


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


def one_row_products(x: torch.Tensor) -> AbstractContextManager:
    """[`OneRowProducts`] for what x (..., width) goes through, where that makes a difference."""
    # elsewhere it would only look at every function and pass it on; `torch.compile` has its own products
    is_faster = x[..., 0].numel() == 1 and x.device.type == "cpu" and x.dtype == torch.bfloat16
    return OneRowProducts() if is_faster and not torch.compiler.is_compiling() else nullcontext()


def _has_one_row(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> bool:
    return (
        x.numel() == x.shape[-1]
        and x.dtype == weight.dtype == torch.bfloat16
        and x.device.type == "cpu"
        and type(weight) in (torch.Tensor, torch.nn.Parameter)  # not a quantised one
        and not torch.is_grad_enabled()
    )


def _is_readable(tensor: torch.Tensor, row_shape: torch.Size) -> bool:
    """Whether it can be read by its address. For what cannot, PyTorch has products, or an error."""
    return tensor.dtype == torch.bfloat16 and tensor.is_contiguous() and tensor.shape[-1:] == row_shape


def _multiply(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
    row = x.reshape(-1)
    if has_numba and _is_readable(weight, row.shape) and (bias is None or _is_readable(bias, weight.shape[:1])):
        product = multiply_row(weight, row, bias)
    else:
        product = torch.mv(weight, row) if bias is None else torch.addmv(bias, weight, row)
    return product.view(*x.shape[:-1], -1)
