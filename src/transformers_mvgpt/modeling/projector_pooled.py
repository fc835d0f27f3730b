# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
The projector that pools: ET-Proj, Mobile-VideoGPT's efficient token projector (arXiv 2503.21782, § 3.3), which is LDPv2 of
MobileVLM V2 (arXiv 2402.03766) with the grid's size as a parameter.
"""

import math

import torch
from torch import nn
from torch.nn import functional as F


class PooledProjector(nn.Module):
    """
    ET(x) = D(x) + DWConv(D(x)), D(x) = AdaptiveAvgPool(W2 GELU(W1 x)): fewer tokens, in the language model's width.

    Args:
        input_size (`int`): width of the encoder.
        hidden_size (`int`): width h of the language model.
        grid_size (`int`): the tokens are pooled to a grid of this size.
    """

    def __init__(self, input_size: int, hidden_size: int, grid_size: int):
        super().__init__()
        self.grid_size = grid_size
        self.linear_1 = nn.Linear(input_size, hidden_size)
        self.linear_2 = nn.Linear(hidden_size, hidden_size)
        self.conv = nn.Conv2d(hidden_size, hidden_size, kernel_size=3, padding=1, groups=hidden_size)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """
        Args:
            tokens (`torch.Tensor` of shape `(num_grids, num_tokens, input_size)`):
                Tokens of square grids, row by row; `num_tokens` is a square number.

        Returns:
            `torch.Tensor` of shape `(num_grids, grid_size ** 2, hidden_size)`.
        """
        side = math.isqrt(tokens.shape[1])
        hidden_states = self.linear_2(F.gelu(self.linear_1(tokens)))
        grid = hidden_states.transpose(1, 2).unflatten(2, (side, side))
        grid = F.adaptive_avg_pool2d(grid, self.grid_size)
        grid = grid + self.conv(grid)
        return grid.flatten(2).transpose(1, 2)
