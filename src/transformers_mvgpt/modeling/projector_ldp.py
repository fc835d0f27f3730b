# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
LDP, the lightweight downsample projector of MobileVLM V1 (arXiv 2312.16886, § 3.4): a quarter of the tokens, in the language
model's width.

Symbols in the shape comments: n images, S patches along a side, h width of the language model.
"""

import math

import torch
from torch import nn
from torch.nn import functional as F


class LDPProjector(nn.Module):
    """
    LDP(x) = PW(DW2(PW(DW1(y)) + y)), y = W2 GELU(W1 x): two separable convolution blocks as in MobileNetV3, the second one of which
    keeps every other token along each side.

    Args:
        input_size (`int`): width of the encoder.
        hidden_size (`int`): width h of the language model.
    """

    def __init__(self, input_size: int, hidden_size: int):
        super().__init__()
        self.fc1 = nn.Linear(input_size, hidden_size)
        self.fc2 = nn.Linear(hidden_size, hidden_size)
        self.block_1 = SeparableBlock(hidden_size, stride=1)
        self.block_2 = SeparableBlock(hidden_size, stride=2)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """
        Args:
            tokens (`torch.Tensor` of shape `(num_grids, num_tokens, input_size)`):
                Tokens of square grids, row by row; `num_tokens` is a square number.

        Returns:
            `torch.Tensor` of shape `(num_grids, ceil(sqrt(num_tokens) / 2) ** 2, hidden_size)`.
        """
        side = math.isqrt(tokens.shape[1])
        hidden_states = self.fc2(F.gelu(self.fc1(tokens)))
        grid = hidden_states.transpose(1, 2).unflatten(2, (side, side))  # (n, h, S, S)
        grid = grid + self.block_1(grid)
        return self.block_2(grid).flatten(2).transpose(1, 2)


class SeparableBlock(nn.Module):
    """
    A depthwise convolution, squeeze and excitation of its channels, and a pointwise convolution.

    Args:
        num_channels (`int`): width h of the grid.
        stride (`int`): of the depthwise convolution.
    """

    def __init__(self, num_channels: int, stride: int):
        super().__init__()
        num_squeezed = _squeezed(num_channels)
        self.depthwise = nn.Conv2d(
            num_channels, num_channels, kernel_size=3, stride=stride, padding=1, groups=num_channels, bias=False
        )
        self.norm_1 = nn.LayerNorm(num_channels, eps=1e-5)
        self.squeeze = nn.Conv2d(num_channels, num_squeezed, kernel_size=1)
        self.excite = nn.Conv2d(num_squeezed, num_channels, kernel_size=1)
        self.pointwise = nn.Conv2d(num_channels, num_channels, kernel_size=1, bias=False)
        self.norm_2 = nn.LayerNorm(num_channels, eps=1e-5)

    def forward(self, grid: torch.Tensor) -> torch.Tensor:
        """(n, h, S, S) -> (n, h, S', S'), S' = ceil(S / stride)"""
        grid = F.hardswish(_norm_channels(self.norm_1, self.depthwise(grid)))
        gate = F.relu(self.squeeze(grid.mean((2, 3), keepdim=True)))
        grid = grid * F.hardsigmoid(self.excite(gate))  # (n, h, 1, 1)
        return _norm_channels(self.norm_2, self.pointwise(grid))


def _norm_channels(norm: nn.LayerNorm, grid: torch.Tensor) -> torch.Tensor:
    """(n, h, S, S), over the channels of each token."""
    return norm(grid.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def _squeezed(num_channels: int) -> int:
    """A quarter, to the nearest multiple of 8, but never less than nine tenths of it."""
    rounded = max(8, (num_channels // 4 + 4) // 8 * 8)
    return rounded if rounded >= 0.9 * (num_channels // 4) else rounded + 8
