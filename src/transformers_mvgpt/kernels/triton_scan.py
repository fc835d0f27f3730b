# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
The selective scan by Triton kernels, forward and backward, as `torch.library` operators: `torch.compile` and
`torch.export` see one node.

Symbols in the shape comments: S samples, G groups, D channels, L tokens, N states per channel.
"""

import math
import re
from typing import NamedTuple

import torch
from torch.nn import functional as F

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


def fused_scan(
    x: torch.Tensor,
    dt: torch.Tensor,
    A: torch.Tensor,
    B: torch.Tensor,
    C: torch.Tensor,
    D: torch.Tensor,
    z: torch.Tensor | None,
    dt_bias: torch.Tensor | None,
) -> torch.Tensor:
    """
    The arguments and the result of `selective_scan`, whose shapes have been checked.

    Returns:
        `torch.Tensor` of shape `(S, D, L)`: y in the dtype of x, laid out in memory as (S, L, D).
    """
    inputs = (
        x,
        dt,
        A.float() * math.log2(math.e),
        B.transpose(2, 3).contiguous(),  # (S, G, N, L) -> (S, G, L, N)
        C.transpose(2, 3).contiguous(),
        D.float().contiguous(),
        z,
        D.new_zeros(D.shape, dtype=torch.float32) if dt_bias is None else dt_bias.float().contiguous(),
    )
    save_states = torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in inputs)
    return _forward(*inputs, save_states)[0]


@torch.library.custom_op(f"{_NAMESPACE}::fused_scan_forward", mutates_args=())
def _forward(
    x: torch.Tensor,
    dt: torch.Tensor,
    A: torch.Tensor,
    B: torch.Tensor,
    C: torch.Tensor,
    D: torch.Tensor,
    z: torch.Tensor | None,
    dt_bias: torch.Tensor,
    save_states: bool,
) -> tuple[torch.Tensor, torch.Tensor]:
    y, saved_states = _empty_outputs(x, dt, A, B, C, D, z, dt_bias, save_states)
    walk_tokens(
        ScanInputs(x.mT, dt.mT, A, B, C, D),
        y.mT,
        z=None if z is None else z.mT,
        bias=dt_bias,
        saved_states=saved_states if save_states else None,
    )
    return y, saved_states


@_forward.register_fake
def _empty_outputs(
    x: torch.Tensor,
    dt: torch.Tensor,
    A: torch.Tensor,
    B: torch.Tensor,
    C: torch.Tensor,
    D: torch.Tensor,
    z: torch.Tensor | None,
    dt_bias: torch.Tensor,
    save_states: bool,
) -> tuple[torch.Tensor, torch.Tensor]:
    num_blocks = -(-x.shape[2] // _TOKENS_PER_BLOCK) if save_states else 0
    return _channels_last(x), A.new_empty(num_blocks, x.shape[0], *A.shape)


@torch.library.custom_op(f"{_NAMESPACE}::fused_scan_backward", mutates_args=())
def _backward(
    grad_y: torch.Tensor,
    x: torch.Tensor,
    dt: torch.Tensor,
    A: torch.Tensor,
    B: torch.Tensor,
    C: torch.Tensor,
    D: torch.Tensor,
    z: torch.Tensor | None,
    dt_bias: torch.Tensor,
    saved_states: torch.Tensor,
) -> list[torch.Tensor]:
    grad_x, grad_dt, _, _, _, _, grad_z, _ = _empty_grads(grad_y, x, dt, A, B, C, D, z, dt_bias, saved_states)
    grid, sizes = _launch(x, B)
    # what several programs contribute to is added up afterwards, always in the same order
    grad_A, grad_D, grad_dt_bias = (A.new_empty(x.shape[0], *parameter.shape) for parameter in (A, D, dt_bias))
    grad_B, grad_C = (A.new_empty(grid[2], *B.shape) for _ in range(2))
    gate = x if z is None else z
    with torch.cuda.device_of(x):
        backward_kernel[grid](
            *(grad_y, x, dt, gate, A.contiguous(), B, C, D, dt_bias, saved_states),
            *(grad_x, grad_dt, grad_z, grad_A, grad_B, grad_C, grad_D, grad_dt_bias),
            *(x.shape[2], x.shape[1] // B.shape[1], A.shape[1]),
            *(*grad_y.stride(), *x.stride(), *dt.stride(), *gate.stride()),
            HAS_GATE=z is not None,
            **sizes,
            num_warps=_NUM_WARPS["backward"],
        )
    grad_A = grad_A.sum(0) / math.log2(math.e)
    grads_of_matrices = (grad_B.sum(0).to(B.dtype), grad_C.sum(0).to(C.dtype))
    return [grad_x, grad_dt, grad_A, *grads_of_matrices, grad_D.sum(0), grad_z, grad_dt_bias.sum(0)]


@_backward.register_fake
def _empty_grads(
    grad_y: torch.Tensor,
    x: torch.Tensor,
    dt: torch.Tensor,
    A: torch.Tensor,
    B: torch.Tensor,
    C: torch.Tensor,
    D: torch.Tensor,
    z: torch.Tensor | None,
    dt_bias: torch.Tensor,
    saved_states: torch.Tensor,
) -> list[torch.Tensor]:
    grad_z = x.new_empty(0) if z is None else _channels_last(z)
    others = [torch.empty_like(tensor, memory_format=torch.contiguous_format) for tensor in (A, B, C, D)]
    return [_channels_last(x), _channels_last(dt), *others, grad_z, torch.empty_like(dt_bias)]


def _setup_context(ctx, inputs: tuple, output: tuple[torch.Tensor, torch.Tensor]) -> None:
    ctx.set_materialize_grads(False)  # for the saved states, that would be as many zeros
    ctx.save_for_backward(*inputs[:-1], output[1])


def _autograd_backward(ctx, grad_y: torch.Tensor | None, grad_saved_states: None) -> tuple[torch.Tensor | None, ...]:
    if grad_y is None:
        return (None,) * 9
    tensors = ctx.saved_tensors
    grads: list[torch.Tensor | None] = [*_backward(grad_y, *tensors)]
    if tensors[6] is None:
        grads[6] = None
    return *grads, None


_forward.register_autograd(_autograd_backward, setup_context=_setup_context)


class ScanInputs(NamedTuple):
    """
    What a scan takes, in the order of its tokens.

    Args:
        x, dt (`torch.Tensor` of shape `(S, L, D)`): at most 32 bits.
        A (`torch.Tensor` of shape `(D, N)`): times log2(e), float32.
        B, C (`torch.Tensor` of shape `(S, G, L, N)`): at most 32 bits.
        D (`torch.Tensor` of shape `(D,)`): float32.
    """

    x: torch.Tensor
    dt: torch.Tensor
    A: torch.Tensor
    B: torch.Tensor
    C: torch.Tensor
    D: torch.Tensor

    def for_kernel(self) -> "ScanInputs":
        """Channels side by side, and states in float32 in fours."""
        missing = -self.A.shape[1] % 4
        B, C = (F.pad(matrix.float(), (0, missing)).contiguous() for matrix in (self.B, self.C))
        A = F.pad(self.A, (0, missing)).contiguous()
        return ScanInputs(_with_channels_inside(self.x), _with_channels_inside(self.dt), A, B, C, self.D.contiguous())


def walk_tokens(
    inputs: ScanInputs,
    y: torch.Tensor,
    *,
    reversed_inputs: ScanInputs | None = None,
    z: torch.Tensor | None = None,
    bias: torch.Tensor | None = None,
    saved_states: torch.Tensor | None = None,
) -> None:
    """
    Runs the forward kernel.

    Args:
        inputs ([`ScanInputs`]): of a scan from the first token to the last.
        y (`torch.Tensor` of shape `(S, L, D)`, or `(2, S, L, D)` with `reversed_inputs`): contiguous; is written.
        reversed_inputs ([`ScanInputs`], *optional*): of a scan from the last token to the first, as large, strided
            likewise. Both have one group.
        z (`torch.Tensor` of shape `(S, L, D)`, *optional*): gate.
        bias (`torch.Tensor` of shape `(D,)`, *optional*): of dt, float32.
        saved_states (`torch.Tensor` of shape `(blocks, S, D, N)`, *optional*): float32; is written: the states before each
            block of `_TOKENS_PER_BLOCK` tokens.
    """
    num_states = inputs.A.shape[1]
    inputs = inputs.for_kernel()
    others = inputs if reversed_inputs is None else reversed_inputs.for_kernel()
    gate = inputs.x if z is None else _with_channels_inside(z)
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
                *inputs,
                *others,
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
                HAS_GATE=z is not None,
                ENDS_ONLY=ends_only,
                BLOCK=0 if ends_only or saved_states is None else _TOKENS_PER_BLOCK,
                T=_TOKENS_AHEAD,
                K=channels,
                N=padded_states,
                num_warps=_NUM_WARPS["forward"],
            )


def _segments(num_warps: int, length: int) -> tuple[int, int]:
    """How many segments the tokens are cut into, and how long one is: a multiple of the blocks."""
    wanted = 1 if num_warps >= _ENOUGH_WARPS else triton.cdiv(_WANTED_WARPS, max(1, num_warps))
    wanted = max(1, min(wanted, _MOST_SEGMENTS, length // _SHORTEST_SEGMENT))
    segment_length = triton.cdiv(triton.cdiv(length, wanted), _TOKENS_PER_BLOCK) * _TOKENS_PER_BLOCK
    return triton.cdiv(length, segment_length), segment_length


def _with_channels_inside(tensor: torch.Tensor) -> torch.Tensor:
    return tensor if tensor.stride(-1) == 1 else tensor.contiguous()


def _channels_last(tensor: torch.Tensor) -> torch.Tensor:
    """An empty (S, D, L) tensor, laid out in memory as (S, L, D)."""
    num_samples, num_channels, length = tensor.shape
    return tensor.new_empty(num_samples, length, num_channels).transpose(1, 2)


def _launch(x: torch.Tensor, B: torch.Tensor) -> tuple[tuple[int, int, int], dict[str, int]]:
    """Backwards: the grid of programs (samples, groups, programs per group), the sizes of their blocks, powers of two."""
    num_groups, num_states = B.shape[1], B.shape[3]
    channels_per_group = x.shape[1] // num_groups
    padded_states = triton.next_power_of_2(num_states)
    channels = min(triton.next_power_of_2(channels_per_group), max(1, _STATES_PER_PROGRAM // padded_states))
    grid = (x.shape[0], num_groups, triton.cdiv(channels_per_group, channels))
    return grid, {"T": _TOKENS_PER_BLOCK, "K": channels, "N": padded_states}
