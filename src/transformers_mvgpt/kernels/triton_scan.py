# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
The selective scan by Triton kernels, forward and backward: a function of autograd, and for `torch.compile` and
`torch.export`, which do not look into the kernels, `torch.library` operators. These take longer to call.

Symbols in the shape comments: S samples, G groups, E channels, L tokens, N states per channel.
"""

import math
import re
from collections.abc import Callable

import torch
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from .naive_scan import ScanInputs
from .triton_scan_forward import forward_kernel
from .triton_scan_gradients import compute_gradients, empty_gradients
from .triton_support import triton


# After so many tokens a state is saved for the backward pass.
_TOKENS_PER_BLOCK = 16
_NUM_WARPS = {"forward": 2}
# Forwards: how many tokens are on their way at once, and when a GPU counts as full. As they were fastest on an H200.
_TOKENS_AHEAD = 2
_ENOUGH_WARPS, _WANTED_WARPS = 1024, 4096
_MOST_SEGMENTS, _SHORTEST_SEGMENT = 24, 64

# A second copy of this file (remote code beside the package) must not redefine the operators of the first.
_NAMESPACE = re.sub(r"\W", "_", __name__, flags=re.ASCII)


def scan_with_triton(inputs: ScanInputs) -> torch.Tensor:
    """
    The selective scan with kernels that fuse all of it, in float32.

    Args:
        inputs ([`ScanInputs`]): of at most 32 bits, on a GPU; in Triton's interpreter (`TRITON_INTERPRET=1`), on CPU too.

    Returns:
        `torch.Tensor` of shape `(S, L, E)`: y in the dtype of x.
    """
    save_states = torch.is_grad_enabled() and any(tensor is not None and tensor.requires_grad for tensor in inputs)
    # what is traced, and fake tensors, need the operator
    if torch.compiler.is_compiling() or torch.jit.is_tracing() or type(inputs.x) is not torch.Tensor:
        return _forward(*inputs, save_states)[0]
    return _Scan.apply(*inputs) if save_states else _run_forward(*inputs, save_states)[0]


def _run_forward(
    x: torch.Tensor,
    dt: torch.Tensor,
    A: torch.Tensor,
    B: torch.Tensor,
    C: torch.Tensor,
    D: torch.Tensor,
    z: torch.Tensor | None,
    dt_bias: torch.Tensor | None,
    save_states: bool,
) -> tuple[torch.Tensor, torch.Tensor]:
    """y, and the states before each block: none of them without `save_states`."""
    y, saved_states = _empty_outputs(x, dt, A, B, C, D, z, dt_bias, save_states)
    dt_bias = None if dt_bias is None else dt_bias.float().contiguous()
    inputs = ScanInputs(x, dt, A.float() * math.log2(math.e), B, C, D.float(), z, dt_bias)
    walk_tokens(inputs, y, saved_states=saved_states if save_states else None)
    return y, saved_states


def _run_backward(
    grad_y: torch.Tensor,
    x: torch.Tensor,
    dt: torch.Tensor,
    A: torch.Tensor,
    B: torch.Tensor,
    C: torch.Tensor,
    D: torch.Tensor,
    z: torch.Tensor | None,
    dt_bias: torch.Tensor | None,
    saved_states: torch.Tensor,
) -> list[torch.Tensor]:
    """The gradients of the inputs: without elements where there is none."""
    return compute_gradients(grad_y, ScanInputs(x, dt, A, B, C, D, z, dt_bias), saved_states, _TOKENS_PER_BLOCK)


def _empty_outputs(
    x: torch.Tensor,
    dt: torch.Tensor,
    A: torch.Tensor,
    B: torch.Tensor,
    C: torch.Tensor,
    D: torch.Tensor,
    z: torch.Tensor | None,
    dt_bias: torch.Tensor | None,
    save_states: bool,
) -> tuple[torch.Tensor, torch.Tensor]:
    num_blocks = -(-x.shape[1] // _TOKENS_PER_BLOCK) if save_states else 0
    return x.new_empty(x.shape), x.new_empty((num_blocks, x.shape[0], *A.shape), dtype=torch.float32)


class _Scan(torch.autograd.Function):
    """
    y of [`_run_forward`]. There is no `setup_context`: where there is one, `apply` binds the arguments by their names,
    which takes as long as a kernel.
    """

    @staticmethod
    def forward(ctx, x, dt, A, B, C, D, z, dt_bias):
        y, saved_states = _run_forward(x, dt, A, B, C, D, z, dt_bias, True)
        ctx.save_for_backward(x, dt, A, B, C, D, z, dt_bias, saved_states)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx, grad_y):
        return _gradients(ctx, grad_y, _run_backward)


_forward = torch.library.custom_op(f"{_NAMESPACE}::fused_scan_forward", _run_forward, mutates_args=())
_forward.register_fake(_empty_outputs)
_backward = torch.library.custom_op(f"{_NAMESPACE}::fused_scan_backward", _run_backward, mutates_args=())


@_backward.register_fake
def _empty_gradients(grad_y: torch.Tensor, *inputs_and_states: torch.Tensor) -> list[torch.Tensor]:
    return empty_gradients(ScanInputs(*inputs_and_states[:-1]))


def _save_for_backward(ctx, inputs: tuple, output: tuple[torch.Tensor, torch.Tensor]) -> None:
    ctx.set_materialize_grads(False)  # for the saved states, that would be as many zeros
    ctx.save_for_backward(*inputs[:8], output[1])


def _autograd_backward(ctx, grad_y: torch.Tensor | None, grad_saved_states: None) -> tuple[torch.Tensor | None, ...]:
    return (None,) * 9 if grad_y is None else (*_gradients(ctx, grad_y, _backward), None)


def _gradients(
    ctx, grad_y: torch.Tensor, compute: Callable[..., list[torch.Tensor]]
) -> tuple[torch.Tensor | None, ...]:
    saved = ctx.saved_tensors  # with checkpointing, only once
    return tuple(None if one is None else grad for one, grad in zip(saved[:-1], compute(grad_y, *saved), strict=True))


_forward.register_autograd(_autograd_backward, setup_context=_save_for_backward)


def walk_tokens(
    inputs: ScanInputs,
    y: torch.Tensor,
    *,
    reversed_inputs: ScanInputs | None = None,
    saved_states: torch.Tensor | None = None,
) -> None:
    """
    Runs the forward kernel.

    Args:
        inputs ([`ScanInputs`]): of a scan from the first token to the last, of at most 32 bits. A is times log2(e); A, D and
            `dt_bias` are of float32.
        y (`torch.Tensor` of shape `(S, L, E)`, or `(2, S, L, E)` with `reversed_inputs`): contiguous; is written.
        reversed_inputs ([`ScanInputs`], *optional*): of a scan from the last token to the first, as large, strided
            likewise. Both have one group, and neither a gate nor a bias.
        saved_states (`torch.Tensor` of shape `(blocks, S, E, N)`, *optional*): float32; is written: the states before each
            block of `_TOKENS_PER_BLOCK` tokens.
    """
    num_states, bias = inputs.A.shape[1], inputs.dt_bias
    inputs = _prepare(inputs)
    gate = inputs.x if inputs.z is None else _with_channels_inside(inputs.z)
    others = inputs if reversed_inputs is None else _prepare(reversed_inputs)
    num_samples, length, num_channels = inputs.x.shape
    num_groups = 1 if reversed_inputs is not None else inputs.B.shape[1]
    width = num_channels // num_groups
    num_groups = num_groups if reversed_inputs is None else 2
    channels = 32 * _NUM_WARPS["forward"]
    programs = triton.cdiv(width, channels)
    num_segments, segment_length = _segments(num_samples * num_groups * triton.cdiv(width, 32), length)
    padded_states = inputs.A.shape[1]
    ends = y.new_empty(num_segments, 2, num_samples, num_groups * width, padded_states, dtype=torch.float32)
    # the first walk has nothing to do in the last segment
    for ends_only in (True, False) if num_segments > 1 else (False,):
        with torch.cuda.device_of(y):
            forward_kernel[(num_samples, num_groups, programs * (num_segments - ends_only))](
                *inputs[:6],
                *others[:6],
                gate,
                inputs.D if bias is None else bias,
                y,
                ends,
                ends if saved_states is None else saved_states,
                *(length, segment_length, width, num_states),
                *(inputs.x.stride(0), inputs.dt.stride(0), gate.stride(0)),
                X_TOKEN=inputs.x.stride(1),
                DT_TOKEN=inputs.dt.stride(1),
                Z_TOKEN=gate.stride(1),
                TWO_WAYS=reversed_inputs is not None,
                HAS_BIAS=bias is not None,
                HAS_GATE=inputs.z is not None,
                ENDS_ONLY=ends_only,
                BLOCK=0 if ends_only or saved_states is None else _TOKENS_PER_BLOCK,
                T=_TOKENS_AHEAD,
                K=channels,
                N=padded_states,
                num_warps=_NUM_WARPS["forward"],
            )


def _prepare(inputs: ScanInputs) -> ScanInputs:
    """Channels side by side, and states in float32 in fours."""
    missing = -inputs.A.shape[1] % 4
    B, C = (F.pad(matrix.float(), (0, missing)).contiguous() for matrix in (inputs.B, inputs.C))
    A = F.pad(inputs.A, (0, missing)).contiguous()
    x, dt = (_with_channels_inside(tensor) for tensor in (inputs.x, inputs.dt))
    return inputs._replace(x=x, dt=dt, A=A, B=B, C=C, D=inputs.D.contiguous())


def _segments(num_warps: int, length: int) -> tuple[int, int]:
    """How many segments the tokens are cut into, and how long one is: a multiple of the blocks."""
    wanted = 1 if num_warps >= _ENOUGH_WARPS else triton.cdiv(_WANTED_WARPS, max(1, num_warps))
    wanted = max(1, min(wanted, _MOST_SEGMENTS, length // _SHORTEST_SEGMENT))
    segment_length = triton.cdiv(triton.cdiv(length, wanted), _TOKENS_PER_BLOCK) * _TOKENS_PER_BLOCK
    return triton.cdiv(length, segment_length), segment_length


def _with_channels_inside(tensor: torch.Tensor) -> torch.Tensor:
    return tensor if tensor.stride(-1) == 1 else tensor.contiguous()
