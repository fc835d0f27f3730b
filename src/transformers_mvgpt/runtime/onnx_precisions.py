# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
How the linear layers and embeddings of the language model are written, by precision. Everything else stays in float32: with encoders
in 8 bits, other frames are selected.

| | weights | products |
|---|---|---|
| `fp32` | float32 | float32 |
| `fp16` | float16 | float16; norms, softmax and the residual stream in float32 |
| `int8` | int8, a scale for each output | int8, activations quantized as they come |
| `q4` | 4 bits, a scale for every 32 weights of an output | by onnxruntime's `MatMulNBits` |

Symbols in the shape comments: N outputs of a layer, K its inputs, V size of the vocabulary, h width of the language model.
"""

from collections.abc import Callable, Iterable

import numpy as np
import torch
from torch import nn

from .onnx_nodes import MICROSOFT, Graph


PRECISIONS = ("fp32", "fp16", "int8", "q4")
# Weights that share a scale in 4 bits. It divides the widths of all published language models.
BLOCK_SIZE = 32
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
    return "" if precision == "fp32" else f"_{precision}"


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
        self._quantized: dict[str, list[str]] = {}

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
        product = self._graph.op("MatMul", self._graph.op("Cast", x, to=10), stored)
        return self._graph.op("Cast", product, to=1)

    def _int8(self, name: str, x: str, layer: nn.Linear) -> str:
        graph, weight = self._graph, layer.weight
        if x not in self._quantized:
            self._quantized[x] = graph.op("DynamicQuantizeLinear", x, outputs=3)
        quantized, scale, zero = self._quantized[x]
        scales = int8_scales(weight)  # (N,)
        stored = graph.lazy_weight(f"{name}.weight", weight.shape[::-1], np.int8, lambda: to_int8(weight, scales).T)
        zeros = graph.constant(0, np.int8)
        product = graph.op("Cast", graph.op("MatMulInteger", quantized, stored, zero, zeros), to=1)
        return graph.op("Mul", product, graph.op("Mul", scale, graph.weight(f"{name}.scales", scales)))

    def _q4(self, name: str, x: str, layer: nn.Linear) -> str:
        graph, weight = self._graph, layer.weight
        num_outputs, num_inputs = weight.shape
        num_blocks = -(-num_inputs // BLOCK_SIZE)
        stored = graph.lazy_weight(
            f"{name}.weight", (num_outputs, num_blocks, BLOCK_SIZE // 2), np.uint8, lambda: to_4_bits(weight)[0]
        )
        scales = graph.lazy_weight(
            f"{name}.scales", (num_outputs * num_blocks,), np.float32, lambda: to_4_bits(weight)[1].reshape(-1)
        )
        options = {"K": num_inputs, "N": num_outputs, "bits": 4, "block_size": BLOCK_SIZE}
        return graph.op("MatMulNBits", x, stored, scales, domain=MICROSOFT, accuracy_level=_ACCURACY_LEVEL, **options)


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
        embeds = graph.op("Cast", graph.op("Gather", table, ids), to=1)
    elif precision == "int8":
        scales = int8_scales(weight)
        table = graph.lazy_weight(name, weight.shape, np.int8, lambda: to_int8(weight, scales))
        rows = graph.op("Cast", graph.op("Gather", table, ids), to=1)
        embeds = graph.op("Mul", rows, graph.op("Gather", graph.weight("embed_tokens.scales", scales[:, None]), ids))
    else:
        # two of 4 bits in a byte, as `MatMulNBits` has them; the rows that are wanted are unpacked
        num_blocks = -(-width // BLOCK_SIZE)
        packed = (vocab_size, num_blocks * BLOCK_SIZE // 2)
        table = graph.lazy_weight(name, packed, np.uint8, lambda: to_4_bits(weight)[0].reshape(packed))
        factors = graph.lazy_weight(
            "embed_tokens.scales", (vocab_size, num_blocks, 1), np.float32, lambda: to_4_bits(weight)[1][..., None]
        )
        rows = graph.op("Unsqueeze", graph.op("Gather", table, ids), graph.constant([-1]))  # (B, L, h / 2, 1)
        high = graph.op("BitShift", rows, graph.constant(4, np.uint8), direction="RIGHT")
        low = graph.op("BitwiseAnd", rows, graph.constant(15, np.uint8))
        both = graph.op("Cast", graph.op("Concat", low, high, axis=-1), to=1)
        centered = graph.op("Sub", both, graph.constant(8, np.float32))
        blocks = graph.op("Reshape", centered, graph.constant([0, 0, num_blocks, BLOCK_SIZE]))
        embeds = graph.op("Mul", blocks, graph.op("Gather", factors, ids))
        embeds = graph.op("Reshape", embeds, graph.constant([0, 0, num_blocks * BLOCK_SIZE]))
        if num_blocks * BLOCK_SIZE != width:
            embeds = graph.op("Slice", embeds, graph.constant([0]), graph.constant([width]), graph.constant([2]))
    graph.output(embeds, "inputs_embeds", np.float32, ["batch_size", "sequence_length", width])
    return graph


def int8_scales(weight: torch.Tensor) -> np.ndarray:
    """The scale of each row, (N,) float32."""
    return np.maximum(values(weight.abs().amax(1)) / np.float32(127), np.finfo(np.float32).tiny)


def to_int8(weight: torch.Tensor, scales: np.ndarray) -> np.ndarray:
    """(N, K) in units of the scales, -127 to 127."""
    return np.round(values(weight) / scales[:, None]).clip(-127, 127).astype(np.int8)


def to_4_bits(weight: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """
    (N, K) to numbers 0 to 15, which stand for -8 to 7 times the scale of their block, two in a byte, the first in its lower half.

    Returns:
        uint8 (N, K / 32, 16), and scales float32 (N, K / 32). Where 32 does not divide K, zeros follow.
    """
    num_outputs, num_inputs = weight.shape
    blocks = np.pad(values(weight), ((0, 0), (0, -num_inputs % BLOCK_SIZE))).reshape(num_outputs, -1, BLOCK_SIZE)
    # the largest becomes -8: with its sign in the scale, one more number is used
    largest = np.take_along_axis(blocks, np.abs(blocks).argmax(-1, keepdims=True), -1)
    scales = largest / np.float32(-8)
    units = np.divide(blocks, scales, out=np.zeros_like(blocks), where=scales != 0)
    numbers = np.round(units + 8).clip(0, 15).astype(np.uint8)
    return numbers[..., ::2] | (numbers[..., 1::2] << 4), scales[..., 0]


def _to_float16(weight: torch.Tensor) -> np.ndarray:
    return weight.detach().to(torch.float16).numpy()
