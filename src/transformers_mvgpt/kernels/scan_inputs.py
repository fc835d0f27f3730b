# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""What a VideoMamba mixer scans in one of its directions."""

from typing import NamedTuple

import torch


class Direction(NamedTuple):
    """
    One direction of a mixer of S samples, L tokens, E channels and N states per channel.

    Args:
        x (`torch.Tensor` of shape `(S, L, E)`): after the convolution, at most 32 bits.
        dt (`torch.Tensor` of shape `(S, L, E)`): step sizes before the softplus, in the dtype of x.
        A (`torch.Tensor` of shape `(E, N)`): decay rates, negative, float32.
        B, C (`torch.Tensor` of shape `(S, L, N)`): into and out of the states.
        D (`torch.Tensor` of shape `(E,)`): from the input straight to the output.
    """

    x: torch.Tensor
    dt: torch.Tensor
    A: torch.Tensor
    B: torch.Tensor
    C: torch.Tensor
    D: torch.Tensor
