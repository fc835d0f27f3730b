# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
VideoMamba's convolutions on CPU, with the values of a token side by side in memory, as the projections write and read
them: `nn.Conv1d` copies them into rows of a channel first.

Symbols in the shape comments: S samples, L tokens, E channels, K taps.
"""

import torch
from torch import nn
from torch.nn.functional import conv2d, silu


class VideoMambaConv1d(nn.Conv1d):
    """
    `nn.Conv1d` of (S, E, L) for one channel at a time, with zeros on both sides. On CPU, its result lies in memory as its
    input does.
    """

    def __init__(self, channels: int, kernel_size: int):
        super().__init__(channels, channels, kernel_size, groups=channels, padding=kernel_size - 1)

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        if input.device.type != "cpu":
            return super().forward(input)
        return _convolve(input, self.weight, self.bias)


def convolve(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, is_backward: bool) -> torch.Tensor:
    """
    The depthwise convolution of a direction, and SiLU.

    Args:
        x (`torch.Tensor` of shape `(S, L, E)`): of any floating point dtype.
        weight (`torch.Tensor` of shape `(E, 1, K)`): of `nn.Conv1d`, in the dtype of x.
        bias (`torch.Tensor` of shape `(E,)`): likewise.
        is_backward (`bool`): whether a token sees the K - 1 after it, not those before it.

    Returns:
        `torch.Tensor` of shape `(S, L, E)`, in the dtype of x.
    """
    length, reach = x.shape[1], weight.shape[-1] - 1
    result = _convolve(x.transpose(1, 2), weight.flip(-1) if is_backward else weight, bias).transpose(1, 2)
    return silu(result[:, reach:] if is_backward else result[:, :length])


def _convolve(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    """(S, E, L) -> (S, E, L + K - 1), with zeros on both sides. Only images may have their channels last in memory."""
    images, weight = x.unsqueeze(2), weight.unsqueeze(2)
    return conv2d(images, weight, bias, padding=(0, weight.shape[-1] - 1), groups=x.shape[1]).squeeze(2)
