# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
The selective scan in plain PyTorch, forward and backward.

Every state of every channel decays at its own rate, so this is elementwise work, bound by memory. It goes through the
tokens in parts that fit the cache: a few large operations prepare a part, then a token is one fused multiply-add.

    state before the part --> [ u_0 B_0 | u_1 B_1 | ... ]      each slot += its decay * the slot to its left
                              [ decay_0 | decay_1 | ... ]      exp(dt_t A) <= 1, so that nothing overflows

Dtypes, layouts and activations, which take less memory, are changed for a block of several parts: for whole tensors
that costs more than the scan. The backward pass keeps the state before each block and computes the other states again.

Both passes are `torch.library` operators: `torch.compile` and `torch.export` see one node instead of L steps.

Symbols in the shape comments: S samples, G groups, L tokens, K channels per group, N states per channel, T tokens of a
part or block, u = dt x. Channels come last, as long contiguous rows. Groups come before tokens, so that a CPU thread
works on the same channels in every operation and finds them in its own cache.
"""

import math
import re
from collections.abc import Callable

import torch
from torch.nn.functional import silu, softplus

from .naive_scan import ScanInputs


# Longer blocks leave the cache; shorter ones cost more calls and, in training, more saved states.
TOKENS_PER_BLOCK = 32
# The states of as many leave the cache of a CPU's core. Elsewhere, calls cost more than memory.
_TOKENS_PER_PART_ON_CPU = 8

# A second copy of this file (remote code beside the package) must not redefine the operators of the first.
_NAMESPACE = re.sub(r"\W", "_", __name__, flags=re.ASCII)


def scan_with_torch(inputs: ScanInputs, forward: Callable | None = None) -> torch.Tensor:
    """
    The selective scan in plain PyTorch, for every device.

    On CPU its threads meet after each of thousands of short operations. Where other processes keep the cores busy, it is
    therefore several times faster after `torch.set_num_threads(1)`.

    Args:
        inputs ([`ScanInputs`]): of any floating point dtypes. Computes in float32, or in float64 if x is.
        forward (`Callable`, *optional*): an operator that takes the place of the forward pass, `recurrence_forward` below.

    Returns:
        `torch.Tensor` of shape `(S, L, E)`, in the dtype of x.
    """
    dtype, num_groups = torch.promote_types(inputs.x.dtype, torch.float32), inputs.B.shape[1]
    dt = inputs.dt if inputs.dt_bias is None else inputs.dt.to(dtype) + inputs.dt_bias.to(dtype)
    tensors = [
        inputs.x.unflatten(2, (num_groups, -1)).transpose(1, 2),  # (S, L, E) -> (S, G, L, K)
        dt.unflatten(2, (num_groups, -1)).transpose(1, 2),
        inputs.A.to(dtype).unflatten(0, (num_groups, -1)).transpose(1, 2).contiguous(),  # (E, N) -> (G, N, K)
        inputs.B.to(dtype).contiguous(),
        inputs.C.to(dtype).contiguous(),
        inputs.D.to(dtype).unflatten(0, (num_groups, -1)),  # (E,) -> (G, K)
    ]
    save_states = torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors)
    y = (forward or recurrence_forward)(tensors, save_states)[0].transpose(1, 2).flatten(2)  # (S, L, E)
    if inputs.z is not None:
        y = y * silu(inputs.z.to(dtype))
    return y.to(inputs.x.dtype)


@torch.library.custom_op(f"{_NAMESPACE}::recurrence_forward", mutates_args=())
def recurrence_forward(inputs: list[torch.Tensor], save_states: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """
    h_t = exp(dt_t A) h_{t-1} + (dt_t B_t) x_t from h = 0, y_t = C_t . h_t + D x_t, with dt = softplus(dt).

    Args:
        inputs (`list[torch.Tensor]`): x and dt, before the softplus, `(S, G, L, K)`, of any floating point dtype; A
            `(G, N, K)`, whose dtype, float32 or float64, is computed in; B and C `(S, G, L, N)` and D `(G, K)`, in the dtype
            of A.
        save_states (`bool`): whether there will be a backward pass.

    Returns:
        y `(S, G, L, K)` in the dtype of A, laid out in memory as (S, L, G, K), and the states before each block of tokens,
        `(blocks, S, G, N, K)`; no blocks without `save_states`.
    """
    x, dt, A, B, C, D = inputs
    y, saved_states = empty_outputs(inputs, save_states)
    part_size = _TOKENS_PER_PART_ON_CPU if x.device.type == "cpu" else TOKENS_PER_BLOCK
    decays, states = (_empty_states(x, A, part_size) for _ in range(2))
    steps = list(zip(decays.unbind(2), states.unbind(2), strict=True))
    products = torch.empty_like(states[:, :, :, 0])
    before = A.new_zeros(x.shape[0], *A.shape)
    exponents = _exponents_of_two(A)
    for index, block in enumerate(_blocks(x)):
        if save_states:
            saved_states[index] = before
        x_block, dt_block = _load(x[block], A), softplus(_load(dt[block], A))
        of_block = (x_block * dt_block, dt_block, B[block], C[block], x_block, y[block])
        by_part = (tensor.split(part_size, dim=2) for tensor in of_block)
        for u, dt_part, B_part, C_part, x_part, y_part in zip(*by_part, strict=True):
            size = u.shape[2]
            decay, state, product = decays[:, :, :size], states[:, :, :size], products[:, :, :size]
            _scan_tokens(u, dt_part, exponents, B_part, before, decay, state, steps[:size])
            before.copy_(state[:, :, -1])
            _rows_times_matrices(C_part, state, out=product)
            torch.addcmul(product, x_part, D.unsqueeze(1), out=y_part)
    return y, saved_states


@recurrence_forward.register_fake
def empty_outputs(inputs: list[torch.Tensor], save_states: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Of the same shapes, dtypes and layout as those of [`recurrence_forward`]."""
    x, _, A, *_ = inputs
    num_samples, num_groups, length, num_channels = x.shape
    num_blocks = -(-length // TOKENS_PER_BLOCK) if save_states else 0
    y = A.new_empty(num_samples, length, num_groups, num_channels).transpose(1, 2)
    return y, A.new_empty(num_blocks, num_samples, *A.shape)


@torch.library.custom_op(f"{_NAMESPACE}::recurrence_backward", mutates_args=())
def _backward(grad_y: torch.Tensor, inputs: list[torch.Tensor], saved_states: torch.Tensor) -> list[torch.Tensor]:
    x, dt, A, B, C, D = inputs
    grads_of_inputs = _empty_grads(grad_y, inputs, saved_states)
    grad_x, grad_dt, grad_A, grad_B, grad_C, grad_D = grads_of_inputs
    grad_A.zero_()
    grad_D.zero_()
    decays, states, grads = (_empty_states(x, A, TOKENS_PER_BLOCK) for _ in range(3))
    decay_steps, grad_steps = decays.unbind(2), grads.unbind(2)
    steps = list(zip(decay_steps, states.unbind(2), strict=True))
    grad_from_later_blocks = A.new_zeros(x.shape[0], *A.shape)
    exponents = _exponents_of_two(A)
    for index, block in reversed(list(enumerate(_blocks(x)))):
        size = x[block].shape[2]
        decay, state, grad = decays[:, :, :size], states[:, :, :size], grads[:, :, :size]  # (S, G, T, N, K)
        grad_y_block, x_block, dt_block = (_load(tensor[block], A) for tensor in (grad_y, x, dt))
        softplus_slope = dt_block.sigmoid()
        dt_block = softplus(dt_block)
        u_block = x_block * dt_block
        _scan_tokens(u_block, dt_block, exponents, B[block], saved_states[index], decay, state, steps[:size])

        # the grad of a state: what its own token asks through C, and what the next state asks
        torch.mul(grad_y_block.unsqueeze(-2), C[block].unsqueeze(-1), out=grad)
        grad_steps[size - 1].add_(grad_from_later_blocks)
        for token in range(size - 1, 0, -1):
            grad_steps[token - 1].addcmul_(decay_steps[token], grad_steps[token])

        grad_C[block] = _rows_times_matrices(grad_y_block, state.mT)
        grad_B[block] = _rows_times_matrices(u_block, grad.mT)
        grad_u = _rows_times_matrices(B[block], grad)
        grad_x[block] = (grad_u * dt_block).addcmul_(grad_y_block, D.unsqueeze(1))
        grad_D += (grad_y_block * x_block).sum((0, 2))

        # becomes in place the grad of dt_t A: the grad of the decay times the decay
        decay.mul_(grad)
        grad_from_later_blocks.copy_(decay_steps[0])
        decay_steps[0].mul_(saved_states[index])
        decay[:, :, 1:].mul_(state[:, :, :-1])
        grad_A += torch.mul(decay, dt_block.unsqueeze(-2), out=grad).sum((0, 2))
        grad_dt[block] = decay.mul_(A.unsqueeze(1)).sum(-2).addcmul_(grad_u, x_block).mul_(softplus_slope)
    return grads_of_inputs


@_backward.register_fake
def _empty_grads(grad_y: torch.Tensor, inputs: list[torch.Tensor], saved_states: torch.Tensor) -> list[torch.Tensor]:
    return [torch.empty_like(tensor) for tensor in inputs]


def setup_context(ctx, inputs: tuple, output: tuple[torch.Tensor, torch.Tensor]) -> None:
    """For the backward pass of [`recurrence_forward`], or of what takes its place."""
    ctx.set_materialize_grads(False)  # for the saved states, that would be as many zeros
    ctx.save_for_backward(*inputs[0], output[1])


def backward(
    ctx, grad_y: torch.Tensor | None, grad_saved_states: None
) -> tuple[list[torch.Tensor] | list[None], None]:
    """The gradients of [`recurrence_forward`], or of what takes its place."""
    *inputs, saved_states = ctx.saved_tensors
    return [None] * 6 if grad_y is None else _backward(grad_y, inputs, saved_states), None


recurrence_forward.register_autograd(backward, setup_context=setup_context)


def _blocks(x: torch.Tensor) -> list[tuple[slice, ...]]:
    """The index of each block of tokens in a `(S, G, L, ...)` tensor."""
    starts = range(0, x.shape[2], TOKENS_PER_BLOCK)
    return [(slice(None), slice(None), slice(start, start + TOKENS_PER_BLOCK)) for start in starts]


def _empty_states(x: torch.Tensor, A: torch.Tensor, num_tokens: int) -> torch.Tensor:
    num_samples, num_groups, length, num_channels = x.shape
    return A.new_empty(num_samples, num_groups, min(length, num_tokens), A.shape[1], num_channels)


def _load(block: torch.Tensor, A: torch.Tensor) -> torch.Tensor:
    block = block.to(A.dtype)
    return block if block.stride(-1) == 1 else block.contiguous()


def _exponents_of_two(A: torch.Tensor) -> torch.Tensor:
    """Of which dt times as much is the decay: on CPU, exp2 takes a third of the time of exp. (G, 1, N, K)"""
    return (A * math.log2(math.e)).unsqueeze(1)


def _scan_tokens(
    u: torch.Tensor,  # (S, G, T, K)
    dt: torch.Tensor,  # (S, G, T, K)
    exponents: torch.Tensor,  # (G, 1, N, K)
    B: torch.Tensor,  # (S, G, T, N)
    before: torch.Tensor,  # (S, G, N, K)
    decay: torch.Tensor,  # (S, G, T, N, K), written: exp(dt_t A)
    state: torch.Tensor,  # (S, G, T, N, K), written: h_t
    steps: list[tuple[torch.Tensor, torch.Tensor]],  # the views of `decay` and `state` at each token
) -> None:
    torch.mul(dt.unsqueeze(-2), exponents, out=decay).exp2_()
    torch.mul(u.unsqueeze(-2), B.unsqueeze(-1), out=state)
    for token_decay, token_state in steps:
        before = token_state.addcmul_(token_decay, before)


def _rows_times_matrices(rows: torch.Tensor, matrices: torch.Tensor, out: torch.Tensor | None = None) -> torch.Tensor:
    """(..., i) times (..., i, j) -> (..., j)"""
    product = rows.new_empty(*rows.shape[:-1], matrices.shape[-1]) if out is None else out
    # with `out`, autocast leaves the precision alone
    torch.matmul(rows.unsqueeze(-2), matrices, out=product.unsqueeze(-2))
    return product
