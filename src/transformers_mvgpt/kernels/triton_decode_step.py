# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
The decode step on a GPU: the kernels of `triton_decode_*.py` for all layers, recorded as a CUDA graph, one for each number
of sequences.

Symbols in the shape comments are those of the kernels.
"""

import math
import threading
from typing import Any, NamedTuple

import torch
from torch import nn
from transformers import PreTrainedModel

from .graphs_recording import keep_generator
from .graphs_turns import turns
from .triton_decode_attention import attend_kernel, combine_kernel
from .triton_decode_kernels import (
    NUM_STEP_NUMBERS,
    add_product_kernel,
    begin_kernel,
    finish_kernel,
    gate_kernel,
    project_kernel,
)
from .triton_support import triton


Weights = list[list[nn.Parameter | None]]


class StepNumbers(NamedTuple):
    """What changes from token to token, in the order in which the kernels find it. Addresses are 0 where there is nothing."""

    keys: int
    values: int
    capacity: int
    num_cached: int
    mask: int  # (B, num_cached + 1), int64
    mask_stride: int
    positions: int  # (B,), int64
    position_stride: int
    embeddings: int  # (B, h)
    result: int  # (B, h)


class Blocks(NamedTuple):
    """
    Of a kernel with a matrix product.

    Args:
        rows (`int`): of the weights, of a program.
        columns (`int`): of the weights, at once.
        stages (`int`): blocks that are on their way.
        num_warps (`int`): of a program.
    """

    rows: int
    columns: int
    stages: int
    num_warps: int


# For one sequence, and for several.
PROJECT = Blocks(16, 128, 4, 4), Blocks(16, 128, 4, 4)
GATE = Blocks(8, 128, 4, 4), Blocks(32, 128, 4, 4)
ADD = Blocks(8, 256, 4, 4), Blocks(16, 256, 4, 4)
# Of the attention: rows are cached tokens, fewer where they are longer.
ATTEND = Blocks(64, 0, 2, 4)
_KEY_BYTES = 16 << 10  # at most, at once
# The cached tokens are cut into splits until there are as many programs, or each has few tokens.
_PROGRAMS = 256
_MOST_SPLITS = 64
# Of a program's shared memory, which consumer cards have too.
_SHARED_BYTES = 96 << 10


def fit_blocks(blocks: Blocks, m: int, num_weights: int, element_size: int) -> Blocks:
    """Columns that are as many bytes as of 16 bits each, and as many stages as there is memory for."""
    columns = max(16, blocks.columns * 2 // element_size)
    stage_bytes = columns * (num_weights * blocks.rows + m) * element_size
    return blocks._replace(columns=columns, stages=max(1, min(blocks.stages, _SHARED_BYTES // stage_bytes)))


def _addresses(tensors: list[Any]) -> list[int]:
    return [0 if tensor is None else tensor.data_ptr() for tensor in tensors]


class StepOnGPU:
    """
    A decode step of a language model for a number of sequences. The first call runs the kernels, which compiles them; on a GPU,
    the second records them, and that and all later ones replay the recording. Weights are read from where they are: they are
    kept as long as this object. One thread at a time asks for a step; the GPU makes them one after the other.

    Args:
        language_model (`PreTrainedModel`): without a head.
        weights (`list[list[nn.Parameter | None]]`): what [`weights_on_gpu`] returned.
        num_sequences (`int`): B.
    """

    def __init__(self, language_model: PreTrainedModel, weights: Weights, num_sequences: int):
        config = language_model.config
        self._num_sequences, self._config = num_sequences, config
        # other tensors, with the memory of now: whatever becomes of the parameters, it is not freed
        self._weights = [[None if weight is None else weight.detach() for weight in layer] for layer in weights]
        self._norm = norm = language_model.norm.weight.detach()
        self._frequencies = language_model.rotary_emb.inv_freq.detach()
        self._rotary_scaling = float(language_model.rotary_emb.attention_scaling)
        self._head_width = language_model.layers[0].self_attn.head_dim
        self._scaling = language_model.layers[0].self_attn.scaling
        self._m = 1 if num_sequences == 1 else max(16, triton.next_power_of_2(num_sequences))
        heads, width = config.num_attention_heads, config.hidden_size
        self._splits = min(
            _MOST_SPLITS, triton.next_power_of_2(-(-_PROGRAMS // (num_sequences * config.num_key_value_heads)))
        )
        self._project_blocks, self._gate_blocks, self._add_blocks = (
            fit_blocks(choice[self._m > 1], self._m, num_weights, norm.element_size())
            for choice, num_weights in ((PROJECT, 2), (GATE, 2), (ADD, 1))
        )
        self._num_blocks = triton.next_power_of_2(-(-width // self._add_blocks.rows))

        with torch.inference_mode(False):  # whose tensors cannot be written to outside of it
            self._numbers = norm.new_zeros(NUM_STEP_NUMBERS, dtype=torch.int64)
            self._hidden = norm.new_zeros(self._m, width)
            self._squares = norm.new_zeros(self._num_blocks, self._m, dtype=torch.float32)
            self._query = norm.new_zeros(self._m, heads, self._head_width)
            self._context = norm.new_zeros(self._m, heads, self._head_width)
            self._inner = norm.new_zeros(self._m, config.intermediate_size)
            parts = num_sequences, heads, self._splits
            self._attended = norm.new_zeros(*parts, self._head_width, dtype=torch.float32)
            self._extremes = norm.new_zeros(2, *parts, dtype=torch.float32)

        self._lock = threading.Lock()
        self._has_run = False
        self._graph: torch.cuda.CUDAGraph | None = None
        # of the last call; before it, the one that has made the zeros
        self._stream = torch.cuda.current_stream(norm.device) if norm.is_cuda else None

    def reads(self, weights: Weights | None) -> bool:
        """Whether it reads these, and no others."""
        return weights is not None and [*map(_addresses, weights)] == [*map(_addresses, self._weights)]

    def __call__(self, numbers: StepNumbers, may_record: bool = True) -> None:
        """Makes the step. What the numbers point at is read and written in the order of the current stream."""
        given = torch.tensor(numbers, dtype=torch.int64, device="cpu")
        with self._lock:
            if self._numbers.is_cuda:
                self._follow_last_call()
            self._numbers.copy_(given, non_blocking=True)  # what is not pinned has been read when this returns
            if may_record and self._graph is None and self._has_run and self._numbers.is_cuda:
                with turns.recording() as is_alone:
                    self._graph = self._record() if is_alone else None
            if self._graph is None:
                self.launch()
            else:
                self._graph.replay()
            self._has_run = True

    def _follow_last_call(self) -> None:
        """Its intermediate results are in the same memory."""
        stream = torch.cuda.current_stream(self._numbers.device)
        if self._stream is not None and self._stream != stream:
            stream.wait_stream(self._stream)
        self._stream = stream

    def _record(self) -> torch.cuda.CUDAGraph:
        device = self._numbers.device
        graph, stream = torch.cuda.CUDAGraph(), torch.cuda.Stream(device)
        stream.wait_stream(torch.cuda.current_stream(device))
        with torch.cuda.stream(stream), keep_generator(device) as give_back:
            graph.capture_begin(capture_error_mode="thread_local")  # other threads go on
            give_back()
            try:
                self.launch()
            finally:
                graph.capture_end()
        return graph

    def launch(self) -> None:
        """Asks for all kernels, one by one."""
        with torch.cuda.device_of(self._numbers):
            self.begin()
            for layer in range(len(self._weights) - 1):
                self.project(layer)
                self.attend(layer)
                self.add(layer, attention=True)
                self.gate(layer)
                self.add(layer, attention=False)
            self.finish()

    def begin(self) -> None:
        width, blocks = self._config.hidden_size, self._add_blocks
        begin_kernel[(triton.cdiv(width, blocks.rows),)](
            *(self._numbers, self._hidden, self._squares, self._num_sequences), WIDTH=width, M=self._m, R=blocks.rows
        )

    def project(self, layer: int) -> None:
        config, blocks, D = self._config, self._project_blocks, self._head_width
        rows = min(blocks.rows, D // 2)
        norm, q, q_bias, k, k_bias, v, v_bias = self._weights[layer][:7]
        num_heads = config.num_attention_heads + 2 * config.num_key_value_heads
        project_kernel[(num_heads * (D // 2 // rows),)](
            *(self._numbers, self._hidden, self._squares, norm, q, k, v),
            *(q if q_bias is None else q_bias, k if k_bias is None else k_bias, v if v_bias is None else v_bias),
            *(self._frequencies, self._query, layer, self._num_sequences, config.rms_norm_eps, self._rotary_scaling),
            HAS_QUERY_BIAS=q_bias is not None,
            HAS_KEY_BIAS=k_bias is not None,
            HAS_VALUE_BIAS=v_bias is not None,
            WIDTH=config.hidden_size,
            H=config.num_attention_heads,
            G=config.num_key_value_heads,
            D=D,
            M=self._m,
            R=rows,
            BK=blocks.columns,
            BLOCKS=self._num_blocks,
            STAGES=blocks.stages,
            num_warps=blocks.num_warps,
        )

    def attend(self, layer: int) -> None:
        config, D, S = self._config, self._head_width, self._splits
        heads, key_heads = config.num_attention_heads, config.num_key_value_heads
        attend_kernel[(self._num_sequences * key_heads, S)](
            *(self._numbers, self._query, self._attended, self._extremes, layer, self._num_sequences),
            self._scaling * math.log2(math.e),
            H=heads,
            G=key_heads,
            D=D,
            QUERIES=max(16, triton.next_power_of_2(heads // key_heads)),
            S=S,
            BT=min(ATTEND.rows, _KEY_BYTES // (D * self._query.element_size())),
            STAGES=ATTEND.stages,
            num_warps=ATTEND.num_warps,
        )
        combine_kernel[(self._num_sequences * heads,)](self._attended, self._extremes, self._context, D=D, S=S)

    def add(self, layer: int, attention: bool) -> None:
        blocks, width = self._add_blocks, self._config.hidden_size
        weight, bias = self._weights[layer][7:9] if attention else (self._weights[layer][12], None)
        assert weight is not None
        x = self._context if attention else self._inner
        add_product_kernel[(triton.cdiv(width, blocks.rows),)](
            *(x, weight, weight if bias is None else bias, self._hidden, self._squares),
            HAS_BIAS=bias is not None,
            K=weight.shape[1],
            WIDTH=width,
            M=self._m,
            R=blocks.rows,
            BK=blocks.columns,
            STAGES=blocks.stages,
            num_warps=blocks.num_warps,
        )

    def gate(self, layer: int) -> None:
        config, blocks = self._config, self._gate_blocks
        norm, gate, up = self._weights[layer][9:12]
        gate_kernel[(triton.cdiv(config.intermediate_size, blocks.rows),)](
            *(self._hidden, self._squares, norm, gate, up, self._inner, config.rms_norm_eps),
            WIDTH=config.hidden_size,
            INNER=config.intermediate_size,
            M=self._m,
            R=blocks.rows,
            BK=blocks.columns,
            BLOCKS=self._num_blocks,
            STAGES=blocks.stages,
            num_warps=blocks.num_warps,
        )

    def finish(self) -> None:
        width, rows = self._config.hidden_size, 32
        finish_kernel[(triton.cdiv(width, rows),)](
            *(self._numbers, self._hidden, self._squares, self._norm, self._num_sequences, self._config.rms_norm_eps),
            WIDTH=width,
            M=self._m,
            R=rows,
            BLOCKS=self._num_blocks,
        )
