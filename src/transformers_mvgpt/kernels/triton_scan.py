# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
The selective scan by Triton kernels, forward and backward, as `torch.library` operators: `torch.compile` and
`torch.export` see one node.

Symbols in the shape comments: S samples, G groups, E channels, L tokens, N states per channel.
"""

import math
import re

import torch
from torch.nn import functional as F

from .naive_scan import ScanInputs
from .triton_scan_backward import backward_kernel
from .triton_scan_forward import forward_kernel
from .triton_support import triton


# Backwards: the tensors of a block, 4096 numbers each, must fit the registers of its warps.
_TOKENS_PER_BLOCK = 16
_STATES_PER_PROGRAM = 256
_NUM_WARPS = {"forward": 2, "backward": 4}
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
    D, dt_bias = inputs.D, inputs.dt_bias
    tensors = [
        inputs.x,
        inputs.dt,
        inputs.A.float() * math.log2(math.e),
        inputs.B.contiguous(),
        inputs.C.contiguous(),
        D.float().contiguous(),
        D.new_zeros(D.shape, dtype=torch.float32) if dt_bias is None else dt_bias.float().contiguous(),
    ]
    z = inputs.z
    save_states = torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in (*tensors, z))
    return _forward(tensors, z, save_states)[0]


@torch.library.custom_op(f"{_NAMESPACE}::fused_scan_forward", mutates_args=())
def _forward(
    inputs: list[torch.Tensor], z: torch.Tensor | None, save_states: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    y, saved_states = _empty_outputs(inputs, z, save_states)
    x, dt, A, B, C, D, dt_bias = inputs
    walk_tokens(ScanInputs(x, dt, A, B, C, D, z, dt_bias), y, saved_states=saved_states if save_states else None)
    return y, saved_states


@_forward.register_fake
def _empty_outputs(
    inputs: list[torch.Tensor], z: torch.Tensor | None, save_states: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    x, _, A, *_ = inputs
    num_blocks = -(-x.shape[1] // _TOKENS_PER_BLOCK) if save_states else 0
    return x.new_empty(x.shape), A.new_empty(num_blocks, x.shape[0], *A.shape)


@torch.library.custom_op(f"{_NAMESPACE}::fused_scan_backward", mutates_args=())
def _backward(
    grad_y: torch.Tensor, inputs: list[torch.Tensor], z: torch.Tensor | None, saved_states: torch.Tensor
) -> list[torch.Tensor]:
    """Of the inputs, and of z: empty if there is none."""
    x, dt, A, B, C, D, dt_bias = inputs
    grad_x, grad_dt, *_, grad_z = _empty_grads(grad_y, inputs, z, saved_states)
    grid, sizes = _launch(x, B)
    # what several programs contribute to is added up afterwards, always in the same order
    grad_A, grad_D, grad_dt_bias = (A.new_empty(x.shape[0], *parameter.shape) for parameter in (A, D, dt_bias))
    grad_B, grad_C = (A.new_empty(grid[2], *B.shape) for _ in range(2))
    gate = x if z is None else z
    with torch.cuda.device_of(x):
        backward_kernel[grid](
            *(grad_y, x, dt, gate, A.contiguous(), B, C, D, dt_bias, saved_states),
            *(grad_x, grad_dt, grad_z, grad_A, grad_B, grad_C, grad_D, grad_dt_bias),
            *(x.shape[1], x.shape[2] // B.shape[1], A.shape[1]),
            *(stride for tensor in (grad_y, x, dt, gate) for stride in tensor.mT.stride()),
            HAS_GATE=z is not None,
            **sizes,
            num_warps=_NUM_WARPS["backward"],
        )
    grad_A = grad_A.sum(0) / math.log2(math.e)
    grads_of_matrices = (grad_B.sum(0).to(B.dtype), grad_C.sum(0).to(C.dtype))
    return [grad_x, grad_dt, grad_A, *grads_of_matrices, grad_D.sum(0), grad_dt_bias.sum(0), grad_z]


@_backward.register_fake
def _empty_grads(
    grad_y: torch.Tensor, inputs: list[torch.Tensor], z: torch.Tensor | None, saved_states: torch.Tensor
) -> list[torch.Tensor]:
    given = [*inputs, inputs[0].new_empty(0) if z is None else z]
    return [torch.empty_like(tensor, memory_format=torch.contiguous_format) for tensor in given]


def _setup_context(ctx, inputs: tuple, output: tuple[torch.Tensor, torch.Tensor]) -> None:
    ctx.set_materialize_grads(False)  # for the saved states, that would be as many zeros
    ctx.save_for_backward(*inputs[0], inputs[1], output[1])


def _autograd_backward(
    ctx, grad_y: torch.Tensor | None, grad_saved_states: None
) -> tuple[list[torch.Tensor] | list[None], torch.Tensor | None, None]:
    if grad_y is None:
        return [None] * 7, None, None
    *inputs, z, saved_states = ctx.saved_tensors
    *grads, grad_z = _backward(grad_y, inputs, z, saved_states)
    return grads, None if z is None else grad_z, None


_forward.register_autograd(_autograd_backward, setup_context=_setup_context)


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


def _launch(x: torch.Tensor, B: torch.Tensor) -> tuple[tuple[int, int, int], dict[str, int]]:
    """Backwards: the grid of programs (samples, groups, programs per group), the sizes of their blocks, powers of two."""
    num_groups, num_states = B.shape[1], B.shape[3]
    channels_per_group = x.shape[2] // num_groups
    padded_states = triton.next_power_of_2(num_states)
    channels = min(triton.next_power_of_2(channels_per_group), max(1, _STATES_PER_PROGRAM // padded_states))
    grid = (x.shape[0], num_groups, triton.cdiv(channels_per_group, channels))
    return grid, {"T": _TOKENS_PER_BLOCK, "K": channels, "N": padded_states}
