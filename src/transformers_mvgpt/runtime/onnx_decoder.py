# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
`decoder_model_merged.onnx`: the language models of all families, prefill and decode steps in one graph of plain operators. It is made
node by node: a traced one is larger, takes a minute to make at the published sizes, and repeats keys and values for each query head.

Symbols in the shape comments: B prompts, L their new tokens, P cached tokens, T = P + L, H query heads, G of them for each of the key
heads, d their width, h width of the language model, V size of the vocabulary.
"""

from typing import Any

import numpy as np
from torch import nn
from transformers import PreTrainedModel

from .onnx_nodes import BOOL, FLOAT, FLOAT16, Graph
from .onnx_precisions import HEAD, Linears, values


# Scores of tokens that are not looked at. Rows of padding have no others: with infinity they would be NaN.
_UNSEEN = -1e9
_LAST = np.iinfo(np.int64).max
# How a rotary embedding is computed while tokens come that change it
_CHANGING_ROPE = ("dynamic", "longrope")


def check_language_model(language_model: PreTrainedModel) -> None:
    """
    Raises:
        ValueError: if it has something that the graph has not: sliding windows, or a rotary embedding that changes with the length.
    """
    config = language_model.config
    if "sliding_attention" in (getattr(config, "layer_types", None) or ()):
        raise ValueError(
            "`text_config.use_sliding_window` is true: only language models without sliding windows are exported."
        )
    rope_type = (config.rope_parameters or {}).get("rope_type", "default")
    if rope_type in _CHANGING_ROPE:
        raise ValueError(
            f"`text_config.rope_parameters` has the type {rope_type!r}, which changes with the length: such models are not exported."
        )


def decoder_graph(model: PreTrainedModel, precision: str) -> Graph:
    """
    The language model and its head.

    Args:
        model ([`VisionLanguageForConditionalGeneration`]): of any family.
        precision (`str`): one of `PRECISIONS`.
    """
    return _Decoder(model, precision).graph


class _Decoder:
    def __init__(self, model: PreTrainedModel, precision: str):
        language_model = model.model.language_model
        self.config = language_model.config
        self.graph = Graph("decoder_model_merged")
        self.linear = Linears(self.graph, precision)
        self.cache_dtype = np.dtype(np.float16 if precision == "fp16" else np.float32)
        heads, key_heads = self.config.num_attention_heads, self.config.num_key_value_heads
        self.num_key_heads, self.group_size = key_heads, heads // key_heads
        self.head_dim = language_model.layers[0].self_attn.head_dim
        self._make(language_model, model.lm_head)

    def _make(self, language_model: Any, head: nn.Linear) -> None:
        graph = self.graph
        width = self.config.hidden_size
        hidden = graph.input("inputs_embeds", np.float32, ["batch_size", "sequence_length", width])
        mask = graph.input("attention_mask", np.int64, ["batch_size", "total_sequence_length"])
        positions = graph.input("position_ids", np.int64, ["batch_size", "sequence_length"])
        num_kept = graph.input("num_logits_to_keep", np.int64, [])
        cache_shape = ["batch_size", self.num_key_heads, "past_sequence_length", self.head_dim]
        pasts = [
            [
                graph.input(f"past_key_values.{number}.{kind}", self.cache_dtype, cache_shape)
                for kind in ("key", "value")
            ]
            for number in range(len(language_model.layers))
        ]
        self.num_rotated = 2 * language_model.rotary_emb.inv_freq.numel()
        self.cos, self.sin = self._rotary_table(language_model.rotary_emb, positions)
        self.length = graph.op("Shape", hidden, start=1, end=2)
        self.total = graph.op("Shape", mask, start=1, end=2)
        self.mask = self._attention_mask(mask)

        presents = []
        for number, (layer, past) in enumerate(zip(language_model.layers, pasts, strict=True)):
            hidden, present = self._layer(f"layers.{number}", layer, hidden, past)
            presents.append(present)
        norm = getattr(language_model, "norm", None) or language_model.final_layernorm
        # -0 is all of them
        first = graph.op("Reshape", graph.op("Neg", num_kept), graph.constant([1]))
        hidden = graph.op("Slice", hidden, first, graph.constant([_LAST]), graph.constant([1]))
        logits = self.linear(HEAD, self._norm("norm", norm, hidden), head)
        graph.output(logits, "logits", np.float32, ["batch_size", "num_logits", head.out_features])
        cache_shape[2] = "total_sequence_length"
        for number, present in enumerate(presents):
            for kind, value in zip(("key", "value"), present, strict=True):
                graph.output(value, f"present.{number}.{kind}", self.cache_dtype, cache_shape)

    def _rotary_table(self, rotary: Any, positions: str) -> tuple[str, str]:
        """Cosines and sines, (B, 1, L, r), of all layers."""
        graph = self.graph
        frequencies = graph.constant(values(rotary.inv_freq), np.float32)
        angles = graph.op("Unsqueeze", graph.op("Cast", positions, to=FLOAT), graph.constant([1, 3]))
        angles = graph.op("Mul", angles, frequencies)
        angles = graph.op("Concat", angles, angles, axis=-1)
        scale = graph.constant(rotary.attention_scaling, np.float32)
        cos, sin = (graph.op("Mul", graph.op(name, angles), scale) for name in ("Cos", "Sin"))
        return cos, sin

    def _attention_mask(self, mask: str) -> str:
        """What is added to the scores, (B, 1, L, T): a token looks at those before it, and at no padding."""
        graph = self.graph
        total, length = (graph.op("Squeeze", size, graph.constant([0])) for size in (self.total, self.length))
        one = graph.constant(1)
        columns = graph.op("Range", graph.constant(0), total, one)
        rows = graph.op("Range", graph.op("Sub", total, length), total, one)
        is_past = graph.op("LessOrEqual", columns, graph.op("Unsqueeze", rows, graph.constant([1])))  # (L, T)
        is_token = graph.op("Unsqueeze", graph.op("Cast", mask, to=BOOL), graph.constant([1, 2]))  # (B, 1, 1, T)
        is_seen = graph.op("And", is_past, is_token)
        return graph.op("Where", is_seen, graph.constant(0, np.float32), graph.constant(_UNSEEN, np.float32))

    def _layer(self, name: str, layer: Any, hidden: str, past: list[str]) -> tuple[str, list[str]]:
        graph = self.graph
        normed = self._norm(f"{name}.input_layernorm", layer.input_layernorm, hidden)
        attended, present = self._attention(f"{name}.self_attn", layer.self_attn, normed, past)
        if not hasattr(layer, "post_attention_layernorm"):  # Phi's, side by side
            return graph.op(
                "Add", graph.op("Add", attended, self._mlp(f"{name}.mlp", layer.mlp, normed)), hidden
            ), present
        hidden = graph.op("Add", hidden, attended)
        normed = self._norm(f"{name}.post_attention_layernorm", layer.post_attention_layernorm, hidden)
        return graph.op("Add", hidden, self._mlp(f"{name}.mlp", layer.mlp, normed)), present

    def _attention(self, name: str, attention: Any, hidden: str, past: list[str]) -> tuple[str, list[str]]:
        """(B, L, h) -> (B, L, h), and the cache with the new tokens, (B, H / G, T, d) each."""
        graph = self.graph
        query, key, value = (
            self._heads(self.linear(f"{name}.{kind}_proj", hidden, getattr(attention, f"{kind}_proj")))
            for kind in ("q", "k", "v")
        )
        if getattr(attention, "qk_layernorm", False):
            query = self._norm(f"{name}.q_layernorm", attention.q_layernorm, query)
            key = self._norm(f"{name}.k_layernorm", attention.k_layernorm, key)
        query = graph.op("Mul", self._rotate(query), graph.constant(attention.scaling, np.float32))
        present = [
            graph.op("Concat", before, self._as_cached(new), axis=2)
            for before, new in zip(past, (self._rotate(key), value), strict=True)
        ]
        keys, cached_values = present
        query = self._as_cached(query)
        if self.group_size > 1:  # heads that share keys are rows of one product
            query = graph.op("Reshape", query, graph.constant([0, self.num_key_heads, -1, self.head_dim]))
        scores = graph.op("MatMul", query, graph.op("Transpose", keys, perm=[0, 1, 3, 2]))
        scores = self._as_float32(scores)
        if self.group_size > 1:
            grouped = graph.op("Shape", scores)
            scores = self._by_head(scores, self.total)
        weights = graph.op("Softmax", graph.op("Add", scores, self.mask), axis=-1)  # (B, H, L, T)
        if self.group_size > 1:
            weights = graph.op("Reshape", weights, grouped)
        attended = self._as_float32(graph.op("MatMul", self._as_cached(weights), cached_values))
        if self.group_size > 1:
            attended = self._by_head(attended, graph.constant([self.head_dim]))
        attended = graph.op("Transpose", attended, perm=[0, 2, 1, 3])
        attended = graph.op("Reshape", attended, graph.constant([0, 0, -1]))
        output = getattr(attention, "o_proj", None) or attention.dense
        return self.linear(f"{name}.o_proj", attended, output), present

    def _mlp(self, name: str, mlp: Any, hidden: str) -> str:
        if not hasattr(mlp, "gate_proj"):
            wide = self.linear(f"{name}.fc1", hidden, mlp.fc1)
            return self.linear(f"{name}.fc2", self._activate(wide), mlp.fc2)
        gate = self._activate(self.linear(f"{name}.gate_proj", hidden, mlp.gate_proj))
        wide = self.linear(f"{name}.up_proj", hidden, mlp.up_proj)
        return self.linear(f"{name}.down_proj", self.graph.op("Mul", gate, wide), mlp.down_proj)

    def _activate(self, x: str) -> str:
        name = self.config.hidden_act
        if name in ("silu", "swish"):
            return self.graph.op("Mul", x, self.graph.op("Sigmoid", x))
        if name in ("gelu", "gelu_new", "gelu_pytorch_tanh"):
            return self.graph.op("Gelu", x, approximate="none" if name == "gelu" else "tanh")
        if name == "relu":
            return self.graph.op("Relu", x)
        raise ValueError(f"`text_config.hidden_act` is {name!r}: such language models are not exported.")

    def _norm(self, name: str, norm: Any, x: str) -> str:
        graph = self.graph
        if isinstance(norm, nn.LayerNorm):
            weights = [graph.weight(f"{name}.{kind}", values(getattr(norm, kind))) for kind in ("weight", "bias")]
            return graph.op("LayerNormalization", x, *weights, axis=-1, epsilon=norm.eps)
        # as onnxruntime recognizes it, and computes it in one go
        square = graph.op("Pow", x, graph.constant(2, np.float32))
        mean = graph.op("ReduceMean", square, graph.constant([-1]), keepdims=1)
        root = graph.op("Sqrt", graph.op("Add", mean, graph.constant(norm.variance_epsilon, np.float32)))
        return graph.op("Mul", graph.op("Div", x, root), graph.weight(f"{name}.weight", values(norm.weight)))

    def _heads(self, x: str) -> str:
        """(B, L, heads * d) -> (B, heads, L, d)"""
        split = self.graph.op("Reshape", x, self.graph.constant([0, 0, -1, self.head_dim]))
        return self.graph.op("Transpose", split, perm=[0, 2, 1, 3])

    def _rotate(self, x: str) -> str:
        """(B, heads, L, d), the first r of each d turned by the positions."""
        graph = self.graph
        num_rotated = self.num_rotated
        rotated, rest = x, None
        axis = graph.constant([3])
        if num_rotated < self.head_dim:
            rotated = graph.op("Slice", x, graph.constant([0]), graph.constant([num_rotated]), axis)
            rest = graph.op("Slice", x, graph.constant([num_rotated]), graph.constant([_LAST]), axis)
        half = graph.constant([num_rotated // 2])
        first = graph.op("Slice", rotated, graph.constant([0]), half, axis)
        second = graph.op("Slice", rotated, half, graph.constant([_LAST]), axis)
        turned = graph.op("Concat", graph.op("Neg", second), first, axis=-1)
        rotated = graph.op("Add", graph.op("Mul", rotated, self.cos), graph.op("Mul", turned, self.sin))
        return rotated if rest is None else graph.op("Concat", rotated, rest, axis=-1)

    def _by_head(self, x: str, width: str) -> str:
        """(B, H / G, G * L, n) -> (B, H, L, n)"""
        heads = self.graph.constant([0, self.num_key_heads * self.group_size])
        return self.graph.op("Reshape", x, self.graph.op("Concat", heads, self.length, width, axis=0))

    def _as_cached(self, x: str) -> str:
        return x if self.cache_dtype == np.float32 else self.graph.op("Cast", x, to=FLOAT16)

    def _as_float32(self, x: str) -> str:
        return x if self.cache_dtype == np.float32 else self.graph.op("Cast", x, to=FLOAT)
