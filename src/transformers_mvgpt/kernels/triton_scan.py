# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
The selective scan by Triton kernels, forward and backward: a function of autograd, and for `torch.compile` and
`torch.export`, which do not look into the kernels, `torch.library` operators. These take longer to call.

Symbols in the shape comments: S samples, G groups, E channels, L tokens, N states per channel.
"""

import re
from collections.abc import Callable

import torch
from torch.autograd.function import once_differentiable

from .naive_scan import ScanInputs
from .triton_scan_forward import launch_forward
from .triton_scan_gradients import compute_gradients, empty_gradients
from .triton_support import triton


# After so many tokens a state is saved for the backward pass.
_TOKENS_PER_BLOCK = 16
_NUM_WARPS = {"forward": 2}
# Forwards: how many tokens are on their way at once, and when a GPU counts as full. As they were fastest on an H200.
_TOKENS_AHEAD = 2
_ENOUGH_WARPS, _WANTED_WARPS = 1024, 4096
_MOST_SEGMENTS, _SHORTEST_SEGMENT = 24, 64
# Segments are a multiple of this, which is one of _TOKENS_AHEAD: states are saved between the tokens that are loaded at once.
_SEGMENT_UNIT = 8

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
    walk_tokens(ScanInputs(x, dt, A, B, C, D, z, dt_bias), y, saved_states=saved_states if save_states else None)
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


def walk_tokens(inputs: ScanInputs, y: torch.Tensor, *, saved_states: torch.Tensor | None = None) -> None:
    """
    Runs the forward kernel.

    Args:
        inputs ([`ScanInputs`]): of at most 32 bits each, of any dtypes.
        y (`torch.Tensor` of shape `(S, L, E)`): contiguous; is written.
        saved_states (`torch.Tensor` of shape `(blocks, S, E, N)`, *optional*): float32; is written: the states before each
            block of `_TOKENS_PER_BLOCK` tokens.
    """
    x, dt, z = _with_channels_inside(inputs.x), _with_channels_inside(inputs.dt), inputs.z
    gate = x if z is None else _with_channels_inside(z)
    B, C = inputs.B, inputs.C
    if B.stride() != C.stride() or B.stride(-1) != 1:
        B, C = B.contiguous(), C.contiguous()
    A, D, bias = inputs.A.contiguous(), inputs.D.contiguous(), inputs.dt_bias
    num_samples, length, num_channels = x.shape
    num_groups, num_states = B.shape[1], B.shape[3]
    segments = segments_of(num_samples * num_channels, length)
    ends = empty_ends(x, segments[0], num_samples * num_channels, num_states)
    with torch.cuda.device_of(x):
        _walk(
            (
                *(x, dt, A, B, C, D, A, D, gate, D if bias is None else bias.contiguous(), y, ends),
                ends if saved_states is None else saved_states,
            ),
            (x.stride(0), dt.stride(0), gate.stride(0), B.stride(0), B.stride(1)),
            (num_samples, num_groups, num_channels // num_groups),
            length,
            segments,
            (
                *(x.stride(1), dt.stride(1), gate.stride(1), B.stride(2)),
                *(False, bias is not None, z is not None, _are_pairs(B, C)),
            ),
            0 if saved_states is None else _TOKENS_PER_BLOCK,
            num_states,
        )


def walk_both_ways(
    x: torch.Tensor,
    steps: torch.Tensor,
    A_logs: tuple[torch.Tensor, torch.Tensor],
    B: torch.Tensor,
    C: torch.Tensor,
    Ds: tuple[torch.Tensor, torch.Tensor],
    *,
    y: torch.Tensor,
    ends: torch.Tensor,
    segments: tuple[int, int],
) -> None:
    """
    Runs the forward kernel, on the current device, for the two directions of a mixer, the second from the last token to the
    first. Nothing is copied or computed before.

    Args:
        x (`torch.Tensor` of shape `(2, S, L, E)`): contiguous, as all are.
        steps (`torch.Tensor` of shape `(2, S, L, E)`): dt after its softplus, float32.
        A_logs (tuple of `torch.Tensor` of shape `(E, N)`): log(-A) of each direction.
        B, C (`torch.Tensor` of shape `(2, S, L, N)`): float32, each row after the same number of others.
        Ds (tuple of `torch.Tensor` of shape `(E,)`): of each direction.
        y (`torch.Tensor` of shape `(2, S, L, E)`): is written.
        ends (`torch.Tensor`): of [`empty_ends`], is written.
        segments (`tuple[int, int]`): of [`segments_of`].
    """
    _, num_samples, length, num_channels = x.shape
    num_states = B.shape[3]
    _walk(
        (x, steps, A_logs[0], B, C, Ds[0], A_logs[1], Ds[1], x, x, y, ends, ends),
        (0, 0, 0, 0, 0),
        (num_samples, 2, num_channels),
        length,
        segments,
        (num_channels, num_channels, 0, B.stride(2), True, False, False, _are_pairs(B, C)),
        0,
        num_states,
    )


def _walk(
    tensors: tuple[torch.Tensor, ...],
    strides: tuple[int, int, int, int, int],
    size: tuple[int, int, int],
    length: int,
    segments: tuple[int, int],
    constants: tuple[int, ...],
    block: int,
    num_states: int,
) -> None:
    """`constants` are those of the kernel before ENDS_ONLY, in its order."""
    num_samples, num_groups, width = size
    num_segments, segment_length = segments
    channels = 32 * _NUM_WARPS["forward"]
    programs = triton.cdiv(width, channels)
    # the first walk has nothing to do in the last segment
    for ends_only in (True, False) if num_segments > 1 else (False,):
        launch_forward(
            (num_samples, num_groups, programs * (num_segments - ends_only)),
            tensors,
            (length, segment_length, width, *strides),
            (*constants, ends_only, 0 if ends_only else block, _TOKENS_AHEAD, channels, num_states),
            _NUM_WARPS["forward"],
        )


def _are_pairs(B: torch.Tensor, C: torch.Tensor) -> bool:
    """Whether two numbers of a row can be loaded as one. Both are strided alike."""
    is_even = B.shape[-1] % 2 == 0 and all(stride % 2 == 0 for stride in B.stride()[:-1])
    return is_even and (B.data_ptr() | C.data_ptr()) % (2 * B.element_size()) == 0 and B.dtype == C.dtype


def empty_ends(like: torch.Tensor, num_segments: int, num_channels: int, num_states: int) -> torch.Tensor:
    """Where the first walk leaves the time and the last state of each segment, for the channels of all samples."""
    return like.new_empty(num_segments, 1 + num_states, num_channels, dtype=torch.float32)


def segments_of(num_channels: int, length: int) -> tuple[int, int]:
    """Into how many segments the tokens of the channels of all samples are cut, and how long one is."""
    return _segments(triton.cdiv(num_channels, 32), length)


def _segments(num_warps: int, length: int) -> tuple[int, int]:
    """How many segments the tokens are cut into, and how long one is."""
    wanted = 1 if num_warps >= _ENOUGH_WARPS else triton.cdiv(_WANTED_WARPS, max(1, num_warps))
    wanted = max(1, min(wanted, _MOST_SEGMENTS, length // _SHORTEST_SEGMENT))
    segment_length = triton.cdiv(triton.cdiv(length, wanted), _SEGMENT_UNIT) * _SEGMENT_UNIT
    return triton.cdiv(length, segment_length), segment_length


def _with_channels_inside(tensor: torch.Tensor) -> torch.Tensor:
    return tensor if tensor.stride(-1) == 1 else tensor.contiguous()
