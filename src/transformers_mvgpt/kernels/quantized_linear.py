# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
Linear layers and embeddings whose weights are in 8 or 4 bits, for CPUs.

For many tokens, weights are written out in the dtype of the tokens, a part of a matrix at a time, and multiplied as usual. For few,
numba's code multiplies what is packed: its result is that of weights in float32, but for a rounding of the tokens to 16 bits, each with a
scale for 32 values.
"""

from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from .gates import may_be_compiled
from .numba_block_intrinsics import BLOCK_ROWS, GROUP
from .numba_packed_weights import bits_of, multiply_packed, pack, unpack


# With more tokens, it is faster to write the weights out.
_MOST_ROWS = 16
# Weights that are written out at once.
_MOST_WEIGHTS = 1 << 24


class QuantizedLinear(nn.Module):
    """
    In the place of a linear layer (..., K) -> (..., N).

    Args:
        weight (`torch.Tensor`): what [`pack`] returned for its weight (N, K).
        in_features, out_features (`int`): K and N.
        bias (`nn.Parameter` of shape `(N,)`, *optional*): its bias.
    """

    bias: nn.Parameter | None

    def __init__(self, weight: torch.Tensor, in_features: int, out_features: int, bias: nn.Parameter | None = None):
        super().__init__()
        self.in_features, self.out_features = in_features, out_features
        self.weight = nn.Parameter(weight, requires_grad=False)
        self.register_parameter("bias", bias)

    @classmethod
    def from_linear(cls, linear: nn.Linear, bits: int) -> "QuantizedLinear":
        """Of a layer that is on CPU, in 8 or 4 bits."""
        bias = linear.bias
        return cls(pack(linear.weight, bits), linear.in_features, linear.out_features, bias)

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        rows = input.reshape(-1, input.shape[-1])
        if 0 < len(rows) <= _MOST_ROWS and self._may_be_compiled(input):
            result = multiply_packed(self.weight, rows, self.out_features)
            if self.bias is not None:
                result += self.bias.detach()
            return result.to(input.dtype).view(*input.shape[:-1], self.out_features)
        blocks_at_once = max(1, _MOST_WEIGHTS // (self.weight.shape[1] * GROUP * BLOCK_ROWS))
        parts = [
            F.linear(input, self._unpack(part, input).T[:, : self.in_features])
            for part in self.weight.split(blocks_at_once)
        ]
        result = (parts[0] if len(parts) == 1 else torch.cat(parts, -1))[..., : self.out_features]
        return result if self.bias is None else result + self.bias.to(result.dtype)

    def _may_be_compiled(self, input: torch.Tensor) -> bool:
        return (
            may_be_compiled(input)
            and input.shape[-1] == self.in_features
            and is_packed(self.weight)
            and (self.bias is None or self.bias.device == input.device)
        )

    def _unpack(self, part: torch.Tensor, input: torch.Tensor) -> torch.Tensor:
        if may_be_compiled(input) and is_packed(part):
            return unpack(part, input.dtype)
        return unpack_plainly(part).flatten(2).flatten(0, 1).to(input.dtype).T

    def refuse_saving(self) -> None:
        raise_not_saved()

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        self.refuse_saving()

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}, out_features={self.out_features}, bits={bits_of(self.weight)}"


class QuantizedEmbedding(nn.Module):
    """
    In the place of an embedding: ids (...) -> (..., K).

    Args:
        weight (`nn.Parameter`): what [`pack`] returned for its weight (N, K). The head of a model may have the same.
        num_embeddings, embedding_dim (`int`): N and K.
        dtype (`torch.dtype`): of what it returns.
    """

    _like: torch.Tensor

    def __init__(self, weight: nn.Parameter, num_embeddings: int, embedding_dim: int, dtype: torch.dtype):
        super().__init__()
        self.num_embeddings, self.embedding_dim = num_embeddings, embedding_dim
        self.weight = weight
        # follows `model.to(dtype)`
        self.register_buffer("_like", torch.empty(0, dtype=dtype, device=weight.device), persistent=False)

    @classmethod
    def from_embedding(
        cls, embedding: nn.Embedding, bits: int, weight: nn.Parameter | None = None
    ) -> "QuantizedEmbedding":
        """Of one that is on CPU, in 8 or 4 bits, or with the weight that has been made of the same."""
        if weight is None:
            weight = nn.Parameter(pack(embedding.weight, bits), requires_grad=False)
        return cls(weight, embedding.num_embeddings, embedding.embedding_dim, embedding.weight.dtype)

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        if input.numel() and not bool(((input >= 0) & (input < self.num_embeddings)).all()):
            raise IndexError("index out of range in self")
        rows = input.reshape(-1)
        unpacked = unpack_plainly(self.weight, rows)
        return unpacked.flatten(1)[:, : self.embedding_dim].to(self._like.dtype).view(*input.shape, self.embedding_dim)

    def refuse_saving(self) -> None:
        raise_not_saved()

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        self.refuse_saving()

    def extra_repr(self) -> str:
        return f"{self.num_embeddings}, {self.embedding_dim}, bits={bits_of(self.weight)}"


def is_packed(weight: torch.Tensor) -> bool:
    """Whether numba can read packed weights by their address."""
    return weight.device.type == "cpu" and weight.dtype == torch.uint8 and weight.is_contiguous()


def raise_not_saved() -> None:
    raise ValueError(
        "A model that was quantized for CPUs cannot be saved: save it as it was before, and quantize it again when it is loaded."
    )


def unpack_plainly(packed: torch.Tensor, rows: torch.Tensor | None = None) -> torch.Tensor:
    """
    Args:
        packed (`torch.Tensor` of shape `(B, G, bytes)`): what [`pack`] returned.
        rows (`torch.Tensor` of shape `(R,)`, *optional*): ids of the rows that are wanted.

    Returns:
        `torch.Tensor` of shape `(B, 16, G, 32)`, or `(R, G, 32)`, float32.
    """
    bits = bits_of(packed)
    head = BLOCK_ROWS * (1 if bits == 8 else 2)  # 16-bit numbers
    num_blocks, num_groups, _ = packed.shape
    heads = packed.view(torch.bfloat16)[..., :head].view(num_blocks, num_groups, -1, BLOCK_ROWS)
    if bits == 8:
        numbers = packed.view(torch.int8)[..., 2 * head :].view(num_blocks, num_groups, GROUP // 2, BLOCK_ROWS, 2)
    else:
        numbers = packed.view(torch.int16)[..., head:].view(num_blocks, num_groups, GROUP // 8, BLOCK_ROWS, 2)
    if rows is None:
        heads, numbers = heads.permute(0, 3, 1, 2), numbers.permute(0, 3, 1, 2, 4)
    else:
        block, lane = rows // BLOCK_ROWS, rows % BLOCK_ROWS
        heads, numbers = heads[block, :, :, lane], numbers[block, :, :, lane]
    # (..., G, heads) and (..., G, 16 or 4, 2)
    scales = heads[..., :1].float()
    if bits == 8:
        return numbers.flatten(-2).float() * scales
    four = [(numbers >> shift) & 15 for shift in range(0, 16, 4)]
    return torch.stack(four, -2).flatten(-3).float() * scales + heads[..., 1:].float()
