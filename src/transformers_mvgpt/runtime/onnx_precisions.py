# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
How the linear layers and embeddings of the language model are written, by precision. Everything else stays in float32: with encoders
in 8 bits, other frames are selected.

| | weights | products |
|---|---|---|
| `fp32` | float32 | float32 |
| `fp16` | float16 | float16; norms, softmax and what layers add to stay in float32 |
| `int8` | 7 bits in int8, a scale for each output | int8; activations in 8 bits, a scale for each token |
| `q4` | 4 bits, a scale and a zero for every 32 weights of an output; embeddings and head as with `int8` | by onnxruntime's `MatMulNBits` |

A scale for each token keeps the tokens apart: an answer does not depend on what else is in the batch, or on how a prompt is cut, as it
does with the one scale for all activations of onnxruntime's own dynamic quantization.

Symbols in the shape comments: N outputs of a layer, K its inputs, V size of the vocabulary, h width of the language model.
"""

from collections.abc import Callable, Iterable
from functools import cache, partial

import numpy as np
import torch
from torch import nn

from .onnx_folder import PRECISIONS
from .onnx_nodes import FLOAT, FLOAT16, MICROSOFT, UINT8, Graph


# Weights that share a scale in 4 bits. It divides the widths of all published language models.
BLOCK_SIZE = 32
# Of numbers in 8 bits, and what stands for 0 where they are unsigned
_LARGEST, _ZERO = 127, 128
# Of weights that are multiplied with unsigned activations: 7 bits. On x86 processors with AVX2 and without VNNI, onnxruntime adds two of
# these products in 16 bits, which hold 2 * 255 * 63, but not 2 * 255 * 127: answers would be others there, without an error.
_LARGEST_WEIGHT = 63
# Where all of a token or block is 0, it is divided by this.
_SMALLEST_SCALE = 1e-20
# The name of the head among the layers: it decides between tokens that are almost as likely, and stays in 8 bits.
HEAD = "lm_head"
# What `MatMulNBits` computes in: int8, with a scale for each block of activations.
_ACCURACY_LEVEL = 4


def check_precisions(precisions: Iterable[str]) -> tuple[str, ...]:
    """
    The precisions, each once.

    Raises:
        ValueError: if there are none, or one is not known.
    """
    chosen = tuple(dict.fromkeys(precisions))
    unknown = [name for name in chosen if name not in PRECISIONS]
    if unknown or not chosen:
        problem = f"There is no precision {unknown[0]!r}" if unknown else "No precision was given"
        raise ValueError(f"{problem}: choose from {', '.join(PRECISIONS)}.")
    return chosen


def suffix(precision: str) -> str:
    """What stands behind a file's name, as transformers.js has it: `_int8`, and nothing for `fp32`."""
    return PRECISIONS[precision]


def values(tensor: torch.Tensor, dtype: type = np.float32) -> np.ndarray:
    """A weight as an array."""
    return tensor.detach().to(torch.float32).numpy().astype(dtype, copy=False)


class Linears:
    """
    Linear layers of a graph, in one precision.

    Args:
        graph ([`Graph`]): the graph.
        precision (`str`): one of `PRECISIONS`.
    """

    def __init__(self, graph: Graph, precision: str):
        self._graph = graph
        self._write: Callable[[str, str, nn.Linear], str] = getattr(self, f"_{precision}")
        # several layers may read the same values, which are quantized once
        self._quantized: dict[str, tuple[str, str]] = {}

    def __call__(self, name: str, x: str, layer: nn.Linear) -> str:
        """
        A linear layer.

        Args:
            name (`str`): of the layer, for its weights.
            x (`str`): float32 `(..., K)`.
            layer (`nn.Linear`): K inputs and N outputs.

        Returns:
            `str`: float32 `(..., N)`.
        """
        output = self._write(name, x, layer)
        bias: torch.Tensor | None = layer.bias
        return (
            output if bias is None else self._graph.op("Add", output, self._graph.weight(f"{name}.bias", values(bias)))
        )

    def _fp32(self, name: str, x: str, layer: nn.Linear) -> str:
        shape, weight = layer.weight.shape[::-1], layer.weight
        return self._graph.op(
            "MatMul", x, self._graph.lazy_weight(f"{name}.weight", shape, np.float32, lambda: values(weight).T)
        )

    def _fp16(self, name: str, x: str, layer: nn.Linear) -> str:
        shape, weight = layer.weight.shape[::-1], layer.weight
        stored = self._graph.lazy_weight(f"{name}.weight", shape, np.float16, lambda: _to_float16(weight).T)
        product = self._graph.op("MatMul", self._graph.op("Cast", x, to=FLOAT16), stored)
        return self._graph.op("Cast", product, to=FLOAT)

    def _int8(self, name: str, x: str, layer: nn.Linear) -> str:
        graph, weight = self._graph, layer.weight
        if x not in self._quantized:
            self._quantized[x] = self._quantize(x)
        quantized, token_scale = self._quantized[x]
        scales = int8_scales(weight, _LARGEST_WEIGHT)  # (N,)
        stored = graph.lazy_weight(f"{name}.weight", weight.shape[::-1], np.int8, lambda: to_int8(weight, scales).T)
        zeros = graph.constant(_ZERO, np.uint8), graph.constant(0, np.int8)
        product = graph.op("Cast", graph.op("MatMulInteger", quantized, stored, *zeros), to=FLOAT)
        product = graph.op("Mul", product, graph.weight(f"{name}.scales", scales))
        return graph.op("Mul", product, token_scale)

    def _quantize(self, x: str) -> tuple[str, str]:
        """float32 (..., K) to uint8 around 128, and the scale of each token, (..., 1)."""
        graph = self._graph
        number = partial(graph.constant, dtype=np.float32)
        largest = graph.op("ReduceMax", graph.op("Abs", x), graph.constant([-1]), keepdims=1)
        scale = graph.op("Max", graph.op("Mul", largest, number(1 / _LARGEST)), number(_SMALLEST_SCALE))
        units = graph.op("Round", graph.op("Div", x, scale))
        return graph.op("Cast", graph.op("Add", units, number(_ZERO)), to=UINT8), scale

    def _q4(self, name: str, x: str, layer: nn.Linear) -> str:
        if name == HEAD:
            return self._int8(name, x, layer)
        graph, weight = self._graph, layer.weight
        num_outputs, num_inputs = weight.shape
        num_blocks = -(-num_inputs // BLOCK_SIZE)
        packed = cache(lambda: to_4_bits(weight))
        shapes = (
            ("weight", (num_outputs, num_blocks, BLOCK_SIZE // 2), np.uint8),
            ("scales", (num_outputs, num_blocks), np.float32),
            ("zeros", (num_outputs, -(-num_blocks // 2)), np.uint8),
        )
        parts = [
            graph.lazy_weight(f"{name}.{kind}", shape, dtype, partial(_take, packed, number))
            for number, (kind, shape, dtype) in enumerate(shapes)
        ]
        options = {"K": num_inputs, "N": num_outputs, "bits": 4, "block_size": BLOCK_SIZE}
        return graph.op("MatMulNBits", x, *parts, domain=MICROSOFT, accuracy_level=_ACCURACY_LEVEL, **options)


def embeddings_graph(embedding: nn.Embedding, precision: str) -> Graph:
    """
    `embed_tokens.onnx`: ids int64 (B, L) to embeddings float32 (B, L, h). Ids outside the vocabulary, which placeholders may have, are
    looked up as id 0.

    Args:
        embedding (`nn.Embedding`): of the language model.
        precision (`str`): one of `PRECISIONS`.
    """
    graph = Graph("embed_tokens")
    weight = embedding.weight
    vocab_size, width = weight.shape
    ids = graph.input("input_ids", np.int64, ["batch_size", "sequence_length"])
    is_known = graph.op(
        "And", graph.op("GreaterOrEqual", ids, graph.constant(0)), graph.op("Less", ids, graph.constant(vocab_size))
    )
    ids = graph.op("Where", is_known, ids, graph.constant(0))
    name = "embed_tokens.weight"
    if precision == "fp32":
        embeds = graph.op("Gather", graph.lazy_weight(name, weight.shape, np.float32, lambda: values(weight)), ids)
    elif precision == "fp16":
        table = graph.lazy_weight(name, weight.shape, np.float16, lambda: _to_float16(weight))
        embeds = graph.op("Cast", graph.op("Gather", table, ids), to=FLOAT)
    else:
        scales = int8_scales(weight)
        table = graph.lazy_weight(name, weight.shape, np.int8, lambda: to_int8(weight, scales))
        rows = graph.op("Cast", graph.op("Gather", table, ids), to=FLOAT)
        embeds = graph.op("Mul", rows, graph.op("Gather", graph.weight("embed_tokens.scales", scales[:, None]), ids))
    graph.output(embeds, "inputs_embeds", np.float32, ["batch_size", "sequence_length", width])
    return graph


def int8_scales(weight: torch.Tensor, largest: int = _LARGEST) -> np.ndarray:
    """The scale of each row, (N,) float32, with which no number is beyond `largest`."""
    return np.maximum(values(weight.abs().amax(1)) / np.float32(largest), np.float32(_SMALLEST_SCALE))


def to_int8(weight: torch.Tensor, scales: np.ndarray) -> np.ndarray:
    """(N, K) in units of the scales, rounded."""
    return np.round(values(weight) / scales[:, None]).clip(-_LARGEST, _LARGEST).astype(np.int8)


def to_4_bits(weight: torch.Tensor) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """
    (N, K) to numbers from 0 to 15. What they stand for is their distance to the zero of their block, times its scale.

    Returns:
        uint8 (N, K / 32, 16), two numbers in a byte, the first in its lower half; scales float32 (N, K / 32); zeros uint8 (N, K / 64),
        two in a byte. Where 32 does not divide K, zeros follow.
    """
    num_outputs, num_inputs = weight.shape
    blocks = np.pad(values(weight), ((0, 0), (0, -num_inputs % BLOCK_SIZE))).reshape(num_outputs, -1, BLOCK_SIZE)
    lowest, highest = (np.float32(bound) for bound in (blocks.min(-1).clip(max=0), blocks.max(-1).clip(min=0)))
    scales = np.maximum((highest - lowest) / np.float32(15), np.float32(_SMALLEST_SCALE))  # (N, K / 32)
    zeros = np.round(-lowest / scales).clip(0, 15)
    numbers = np.round(blocks / scales[..., None] + zeros[..., None]).clip(0, 15).astype(np.uint8)
    zeros = np.pad(zeros.astype(np.uint8), ((0, 0), (0, zeros.shape[1] % 2)))
    return _pack(numbers), scales, _pack(zeros)


def _pack(numbers: np.ndarray) -> np.ndarray:
    """Two numbers of 4 bits in a byte, along the last axis."""
    return numbers[..., ::2] | (numbers[..., 1::2] << 4)


def _take(make: Callable[[], tuple[np.ndarray, ...]], number: int) -> np.ndarray:
    return make()[number]


def _to_float16(weight: torch.Tensor) -> np.ndarray:
    return weight.detach().to(torch.float16).numpy()
