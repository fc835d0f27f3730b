# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
The selective scan as one node of an exported graph, in operators that every runtime has.

`torch.export` cannot look into the operators of `torch_scan.py`, and a loop in Python would become a node for each token and operation.
PyTorch's `scan` keeps the body of the loop: it is `Scan` in ONNX, and a loop in ExecuTorch.

Symbols in the shape comments: S samples, L tokens, G groups, K channels per group, N states per channel.
"""

import torch
from torch.nn.functional import silu, softplus

from ..compat.export_mode import is_for_openvino
from .naive_scan import ScanInputs


def scan_for_export(inputs: ScanInputs) -> torch.Tensor:
    """
    The selective scan, where `torch.export` looks at it.

    Args:
        inputs ([`ScanInputs`]): of any floating point dtypes. Computes in float32, or in float64 if x is.

    Returns:
        `torch.Tensor` of shape `(S, L, G K)`, in the dtype of x.

    Raises:
        NotImplementedError: if it is exported for OpenVINO.
    """
    if is_for_openvino():
        raise NotImplementedError(
            "OpenVINO 2026.4 does not convert PyTorch's `scan`, of which VideoMamba's selective scan is made: use `OnnxExporter`, and let "
            "OpenVINO read its files, `openvino.Core().read_model('embed_vision.onnx')`."
        )
    # a prototype in PyTorch, which may move
    from torch._higher_order_ops.scan import scan

    dtype, num_groups = torch.promote_types(inputs.x.dtype, torch.float32), inputs.B.shape[1]
    dt = inputs.dt.to(dtype) if inputs.dt_bias is None else inputs.dt.to(dtype) + inputs.dt_bias.to(dtype)
    dt, x = softplus(dt), inputs.x.to(dtype)
    # what the loop closes over or carries must be contiguous
    A = inputs.A.to(dtype).unflatten(0, (num_groups, -1)).mT.contiguous()  # (G, N, K)
    state = x.new_zeros(x.shape[0], *A.shape)

    def step(
        state: torch.Tensor, token: tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        dt, u, B, C = token  # (S, G, 1, K) twice, (S, G, N, 1), (S, G, 1, N)
        state = torch.exp(dt * A) * state + u * B
        return state, C @ state  # (S, G, N, K), (S, G, 1, K)

    tokens = (
        *(tensor.unflatten(2, (num_groups, 1, -1)).transpose(0, 1).contiguous() for tensor in (dt, dt * x)),
        inputs.B.to(dtype).permute(2, 0, 1, 3).unsqueeze(-1).contiguous(),
        inputs.C.to(dtype).permute(2, 0, 1, 3).unsqueeze(-2).contiguous(),
    )
    y = scan(step, state, tokens)[1]  # (L, S, G, 1, K)
    y = y.transpose(0, 1).flatten(2) + inputs.D.to(dtype) * x
    if inputs.z is not None:
        y = y * silu(inputs.z.to(dtype))
    return y.to(inputs.x.dtype)
