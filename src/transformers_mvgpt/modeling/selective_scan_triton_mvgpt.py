# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
The selective scan by Triton kernels, forward and backward, as `torch.library` operators: `torch.compile` and
`torch.export` see one node.

Symbols in the shape comments: S samples, G groups, D channels, L tokens, N states per channel.
"""

import math
import re

import torch

from .selective_scan_kernels_mvgpt import backward_kernel, forward_kernel, triton


# Not measured on a GPU: chosen so that the tensors of a block, 4096 numbers each, fit the registers of its warps.
_TOKENS_PER_BLOCK = 16
_STATES_PER_PROGRAM = 256
_NUM_WARPS = {"forward": 4, "backward": 8}

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
    grid, sizes = _launch(x, B)
    gate = x if z is None else z
    with torch.cuda.device_of(x):
        forward_kernel[grid](
            *(x, dt, gate, A.contiguous(), B, C, D, dt_bias, y, saved_states),
            *(x.shape[2], x.shape[1] // B.shape[1], A.shape[1]),
            *(*x.stride(), *dt.stride(), *gate.stride()),
            HAS_GATE=z is not None,
            SAVE_STATES=save_states,
            **sizes,
            num_warps=_NUM_WARPS["forward"],
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


def _channels_last(tensor: torch.Tensor) -> torch.Tensor:
    """An empty (S, D, L) tensor, laid out in memory as (S, L, D)."""
    num_samples, num_channels, length = tensor.shape
    return tensor.new_empty(num_samples, length, num_channels).transpose(1, 2)


def _launch(x: torch.Tensor, B: torch.Tensor) -> tuple[tuple[int, int, int], dict[str, int]]:
    """The grid of programs (samples, groups, programs per group), and the sizes of their blocks, powers of two."""
    num_groups, num_states = B.shape[1], B.shape[3]
    channels_per_group = x.shape[1] // num_groups
    padded_states = triton.next_power_of_2(num_states)
    channels = min(triton.next_power_of_2(channels_per_group), max(1, _STATES_PER_PROGRAM // padded_states))
    grid = (x.shape[0], num_groups, triton.cdiv(channels_per_group, channels))
    return grid, {"T": _TOKENS_PER_BLOCK, "K": channels, "N": padded_states}
