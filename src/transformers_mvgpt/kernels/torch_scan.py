# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
The recurrence of the selective scan in plain PyTorch, forward and backward. The forward pass may be numba's instead.

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

import torch
from torch.nn.functional import softplus

from .numba_scan import scan_on_cpu


# Longer blocks leave the cache; shorter ones cost more calls and, in training, more saved states.
_TOKENS_PER_BLOCK = 32
# The states of as many leave the cache of a CPU's core. Elsewhere, calls cost more than memory.
_TOKENS_PER_PART_ON_CPU = 8

# A second copy of this file (remote code beside the package) must not redefine the operators of the first.
_NAMESPACE = re.sub(r"\W", "_", __name__, flags=re.ASCII)


def recurrence(
    x: torch.Tensor,
    dt: torch.Tensor,
    A: torch.Tensor,
    B: torch.Tensor,
    C: torch.Tensor,
    D: torch.Tensor,
    with_numba: bool = False,
) -> torch.Tensor:
    """
    h_t = exp(dt_t A) h_{t-1} + (dt_t B_t) x_t from h = 0, y_t = C_t . h_t + D x_t, with dt = softplus(dt).

    Args:
        x (`torch.Tensor` of shape `(S, G, L, K)`): Input, of any floating point dtype.
        dt (`torch.Tensor` of shape `(S, G, L, K)`): Step sizes before the softplus, of any floating point dtype.
        A (`torch.Tensor` of shape `(G, N, K)`): Decay rates, negative. Its dtype, float32 or float64, is computed in.
        B (`torch.Tensor` of shape `(S, G, L, N)`): From the input into the states, in the dtype of A.
        C (`torch.Tensor` of shape `(S, G, L, N)`): From the states to the output, in the dtype of A.
        D (`torch.Tensor` of shape `(G, K)`): From the input straight to the output, in the dtype of A.
        with_numba (`bool`, defaults to `False`): Run the forward pass compiled by numba, for CPU tensors in float32.

    Returns:
        `torch.Tensor` of shape `(S, G, L, K)`: y in the dtype of A, laid out in memory as (S, L, G, K).
    """
    save_states = torch.is_grad_enabled() and any(tensor.requires_grad for tensor in (x, dt, A, B, C, D))
    return _forward(x, dt, A, B, C, D, save_states, with_numba)[0]


@torch.library.custom_op(f"{_NAMESPACE}::recurrence_forward", mutates_args=())
def _forward(
    x: torch.Tensor,
    dt: torch.Tensor,
    A: torch.Tensor,
    B: torch.Tensor,
    C: torch.Tensor,
    D: torch.Tensor,
    save_states: bool,
    with_numba: bool,
) -> tuple[torch.Tensor, torch.Tensor]:
    y, saved_states = _empty_outputs(x, dt, A, B, C, D, save_states, with_numba)
    if with_numba:
        x, dt = (tensor.transpose(1, 2).to(A.dtype).contiguous() for tensor in (x, dt))  # (S, L, G, K)
        scan_on_cpu(x, softplus(dt), A, B, C, D, y.transpose(1, 2), saved_states, _TOKENS_PER_BLOCK)
        return y, saved_states
    part_size = _TOKENS_PER_PART_ON_CPU if x.device.type == "cpu" else _TOKENS_PER_BLOCK
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


@_forward.register_fake
def _empty_outputs(
    x: torch.Tensor,
    dt: torch.Tensor,
    A: torch.Tensor,
    B: torch.Tensor,
    C: torch.Tensor,
    D: torch.Tensor,
    save_states: bool,
    with_numba: bool,
) -> tuple[torch.Tensor, torch.Tensor]:
    num_samples, num_groups, length, num_channels = x.shape
    num_blocks = -(-length // _TOKENS_PER_BLOCK) if save_states else 0
    y = A.new_empty(num_samples, length, num_groups, num_channels).transpose(1, 2)
    return y, A.new_empty(num_blocks, num_samples, *A.shape)


@torch.library.custom_op(f"{_NAMESPACE}::recurrence_backward", mutates_args=())
def _backward(
    grad_y: torch.Tensor,
    x: torch.Tensor,
    dt: torch.Tensor,
    A: torch.Tensor,
    B: torch.Tensor,
    C: torch.Tensor,
    D: torch.Tensor,
    saved_states: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    grad_x, grad_dt, grad_A, grad_B, grad_C, grad_D = _empty_grads(grad_y, x, dt, A, B, C, D, saved_states)
    grad_A.zero_()
    grad_D.zero_()
    decays, states, grads = (_empty_states(x, A, _TOKENS_PER_BLOCK) for _ in range(3))
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
    return grad_x, grad_dt, grad_A, grad_B, grad_C, grad_D


@_backward.register_fake
def _empty_grads(
    grad_y: torch.Tensor,
    x: torch.Tensor,
    dt: torch.Tensor,
    A: torch.Tensor,
    B: torch.Tensor,
    C: torch.Tensor,
    D: torch.Tensor,
    saved_states: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    x, dt, A, B, C, D = (torch.empty_like(tensor) for tensor in (x, dt, A, B, C, D))
    return x, dt, A, B, C, D


def _setup_context(ctx, inputs: tuple, output: tuple[torch.Tensor, torch.Tensor]) -> None:
    ctx.set_materialize_grads(False)  # for the saved states, that would be as many zeros
    ctx.save_for_backward(*inputs[:6], output[1])


def _autograd_backward(ctx, grad_y: torch.Tensor | None, grad_saved_states: None) -> tuple[torch.Tensor | None, ...]:
    grads = (None,) * 6 if grad_y is None else _backward(grad_y, *ctx.saved_tensors)
    return *grads, None, None


_forward.register_autograd(_autograd_backward, setup_context=_setup_context)


def _blocks(x: torch.Tensor) -> list[tuple[slice, ...]]:
    """The index of each block of tokens in a `(S, G, L, ...)` tensor."""
    starts = range(0, x.shape[2], _TOKENS_PER_BLOCK)
    return [(slice(None), slice(None), slice(start, start + _TOKENS_PER_BLOCK)) for start in starts]


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
