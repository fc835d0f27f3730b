# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""VideoMamba's projection of patches."""

import torch
from torch import nn
from torch.nn import functional as F


class PatchConvolution(nn.Conv3d):
    """
    `nn.Conv3d` of (S, C, F, H, W), whose kernels of one frame are applied frame by frame: to the bit the same, faster on CPU, and in all
    runtimes, of which some have no convolution of so many dimensions.
    """

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        if self.kernel_size[0] > 1:
            return super().forward(input)
        frames = input.transpose(1, 2)  # (S, F, C, H, W)
        projected = F.conv2d(frames.flatten(0, 1), self.weight.squeeze(2), self.bias, stride=self.stride[1:])
        return projected.unflatten(0, frames.shape[:2]).transpose(1, 2)
