# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
Launches the kernels of the selective scan's backward pass.

Symbols in the shape comments: S samples, G groups, E channels, L tokens, N states per channel.
"""

import torch

from .naive_scan import ScanInputs
from .triton_scan_backward import launch_backward, launch_ends, launch_sum


# So many tokens' states of a program must fit the registers of a warp.
_TOKENS_IN_REGISTERS = 4
_STATES_PER_PROGRAM = 256
# As they were fastest on an H200: programs enough to fill it once, but short ones, however many samples there are.
_WANTED_PROGRAMS, _FEWEST_SEGMENTS = 1024, 8
_MOST_SEGMENTS, _SHORTEST_SEGMENT = 24, 64
# How many sums a program makes, and how many of their terms it loads at once.
_SUMS, _TERMS = 256, 8


def empty_gradients(inputs: ScanInputs) -> list[torch.Tensor]:
    """As large as the inputs, in their dtypes; without elements where there is no input."""
    return [
        inputs.x.new_empty(0) if tensor is None else torch.empty_like(tensor, memory_format=torch.contiguous_format)
        for tensor in inputs
    ]


def compute_gradients(
    grad_y: torch.Tensor, inputs: ScanInputs, saved_states: torch.Tensor, tokens_per_block: int
) -> list[torch.Tensor]:
    """
    The gradients of the selective scan's inputs. Two calls give the same, bit for bit.

    Args:
        grad_y (`torch.Tensor` of shape `(S, L, E)`): gradient of y.
        inputs ([`ScanInputs`]): of at most 32 bits each, of any dtypes.
        saved_states (`torch.Tensor` of shape `(blocks, S, E, N)`): float32, contiguous: the states before each block.
        tokens_per_block (`int`): tokens of a block, a multiple of `_TOKENS_IN_REGISTERS`.

    Returns:
        `list[torch.Tensor]`: as [`empty_gradients`].
    """
    gradients = empty_gradients(inputs)
    grad_x, grad_dt, grad_A, grad_B, grad_C, grad_D, grad_z, grad_bias = gradients
    has_gate, has_bias = inputs.z is not None, inputs.dt_bias is not None
    grad_y, x, dt = _with_regular_tokens(grad_y), _with_regular_tokens(inputs.x), _with_regular_tokens(inputs.dt)
    A, B, C, D = (tensor.contiguous() for tensor in (inputs.A, inputs.B, inputs.C, inputs.D))
    gate = x if inputs.z is None else _with_regular_tokens(inputs.z)
    bias = D if inputs.dt_bias is None else inputs.dt_bias.contiguous()

    num_samples, length, width = x.shape
    num_groups, num_states = B.shape[1], B.shape[3]
    padded_states = _next_power_of_2(num_states)
    channels = min(_next_power_of_2(width // num_groups), max(1, _STATES_PER_PROGRAM // padded_states))
    programs = -(-width // num_groups // channels)
    num_segments, segment_length = _segments(num_samples * num_groups * programs, length, tokens_per_block)
    ends_size = num_segments * 2 * num_samples * width * padded_states
    parameters_size = num_segments * num_samples * width * (num_states + 2)
    workspace = saved_states.new_empty(ends_size + programs * 2 * B.numel() + parameters_size)
    walk = (
        has_bias,
        has_gate,
        num_groups,
        width // num_groups,
        num_states,
        _TOKENS_IN_REGISTERS,
        channels,
        padded_states,
    )
    with torch.cuda.device_of(x):
        if num_segments > 1:
            launch_ends(
                (num_samples, num_groups, programs * (num_segments - 1)),
                (grad_y, dt, gate, A, C, bias, workspace),
                (length, segment_length),
                (grad_y.stride(1), dt.stride(1), gate.stride(1), *walk),
                num_warps=1,
            )
        launch_backward(
            (num_samples, num_groups, programs * num_segments),
            (
                *(grad_y, x, dt, gate, A, B, C, D, bias, saved_states),
                *(grad_x, grad_dt, grad_z if has_gate else grad_x, workspace),
            ),
            (length, segment_length),
            (grad_y.stride(1), x.stride(1), dt.stride(1), gate.stride(1), tokens_per_block, *walk),
            num_warps=1,
        )
        launch_sum(
            (-(-2 * B.numel() // _SUMS) - (-width * (num_states + 2) // _SUMS), 1, 1),
            (workspace, grad_A, grad_B, grad_C, grad_D, grad_bias if has_bias else grad_D),
            (ends_size, programs, num_segments * num_samples, B.numel()),
            (has_bias, width, num_states, _TERMS, _SUMS),
            num_warps=4,
        )
    return gradients


def _segments(num_programs: int, length: int, tokens_per_block: int) -> tuple[int, int]:
    """How many segments the tokens are cut into, and how long one is: a multiple of the blocks."""
    wanted = max(_FEWEST_SEGMENTS, -(-_WANTED_PROGRAMS // max(1, num_programs)))
    wanted = max(1, min(wanted, _MOST_SEGMENTS, length // _SHORTEST_SEGMENT))
    segment_length = -(-length // wanted // tokens_per_block) * tokens_per_block
    return -(-length // segment_length), segment_length


def _with_regular_tokens(tensor: torch.Tensor) -> torch.Tensor:
    """Channels side by side, and as far from the last token of a sample to the next sample as from token to token."""
    sample, token, channel = tensor.stride()
    is_regular = channel == 1 and (tensor.shape[0] == 1 or sample == tensor.shape[1] * token)
    return tensor if is_regular else tensor.contiguous()


def _next_power_of_2(number: int) -> int:
    return 1 << (number - 1).bit_length()
