# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
The selective scan of Mamba (https://arxiv.org/abs/2312.00752, section 3) as a loop over the tokens: the reference that every
implementation is compared with.

Symbols in the shape comments: S samples, L tokens, E channels, N states per channel, G groups of E / G consecutive channels.
"""

from typing import NamedTuple

import torch


class ScanInputs(NamedTuple):
    """
    What every implementation of the selective scan takes. Channels of a group share their B and C: the directions of a
    bidirectional block can be groups, and one call scans both.

    Args:
        x (`torch.Tensor` of shape `(S, L, E)`): input.
        dt (`torch.Tensor` of shape `(S, L, E)`): step sizes before bias and softplus.
        A (`torch.Tensor` of shape `(E, N)`): decay rates, negative.
        B (`torch.Tensor` of shape `(S, G, L, N)`): from the input into the states.
        C (`torch.Tensor` of shape `(S, G, L, N)`): from the states to the output.
        D (`torch.Tensor` of shape `(E,)`): from the input straight to the output.
        z (`torch.Tensor` of shape `(S, L, E)`, *optional*): gate of the output.
        dt_bias (`torch.Tensor` of shape `(E,)`, *optional*): bias of dt.
    """

    x: torch.Tensor
    dt: torch.Tensor
    A: torch.Tensor
    B: torch.Tensor
    C: torch.Tensor
    D: torch.Tensor
    z: torch.Tensor | None = None
    dt_bias: torch.Tensor | None = None


def naive_scan(inputs: ScanInputs) -> torch.Tensor:
    """
    One token after the other, one einsum per line of the formula, in the dtype of the inputs.

    Args:
        inputs ([`ScanInputs`]): all of one dtype.

    Returns:
        `torch.Tensor` of shape `(S, L, E)`.
    """
    x, dt, A, B, C, D, z, dt_bias = inputs
    dt = dt if dt_bias is None else dt + dt_bias
    dt = torch.logaddexp(dt, torch.zeros_like(dt))  # softplus
    B, C = (matrix.repeat_interleave(x.shape[2] // B.shape[1], dim=1) for matrix in (B, C))  # (S, E, L, N)
    h = x.new_zeros(x.shape[0], *A.shape)  # (S, E, N)
    ys = []
    for t in range(x.shape[1]):
        h = torch.exp(dt[:, t, :, None] * A) * h + torch.einsum("be,ben,be->ben", dt[:, t], B[:, :, t], x[:, t])
        ys.append(torch.einsum("ben,ben->be", C[:, :, t], h) + D * x[:, t])
    y = torch.stack(ys, dim=1)
    return y if z is None else y * z * torch.sigmoid(z)
