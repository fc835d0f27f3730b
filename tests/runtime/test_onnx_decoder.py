# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Language models as ONNX graphs, beside transformers' own."""

import numpy as np
import onnx
import pytest
import torch

from transformers_mvgpt import TinyLlavaVideoConfig, TinyLlavaVideoForConditionalGeneration
from transformers_mvgpt.runtime import onnx_nodes
from transformers_mvgpt.runtime.onnx_checks import TOLERANCES, FileCheck
from transformers_mvgpt.runtime.onnx_decoder import check_language_model, decoder_graph
from transformers_mvgpt.runtime.onnx_folder import PRECISIONS
from transformers_mvgpt.runtime.onnx_precisions import BLOCK_SIZE, embeddings_graph, to_4_bits


# widths that 32 does not divide, heads that share keys, biases, partial rotary embeddings
LANGUAGE_MODELS = {
    "qwen2": {"model_type": "qwen2", "num_key_value_heads": 2},
    "phi": {"model_type": "phi", "num_key_value_heads": 4, "partial_rotary_factor": 0.5},
    "phi with norms": {"model_type": "phi", "num_key_value_heads": 2, "qk_layernorm": True, "hidden_act": "gelu"},
}


def make_model(**text_config):
    text = {"hidden_size": 48, "intermediate_size": 72, "num_hidden_layers": 2, "num_attention_heads": 4}
    vision = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = TinyLlavaVideoConfig(
        text_config={**text, "vocab_size": 90, **text_config},
        vision_config={**vision, "image_size": 32, "patch_size": 8},
        num_groups=2,
        num_queries=4,
    )
    model = TinyLlavaVideoForConditionalGeneration(config).eval().requires_grad_(False)
    for parameter in model.parameters():
        parameter += torch.randn_like(parameter) * 0.1
    return model


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("name", LANGUAGE_MODELS)
def test_logits_and_cache(tmp_path, name, precision):
    model = make_model(**LANGUAGE_MODELS[name])
    decoder_graph(model, precision).save(tmp_path / "decoder.onnx")
    embeddings_graph(model.get_input_embeddings(), precision).save(tmp_path / "embeddings.onnx")
    for file in tmp_path.iterdir():
        onnx.checker.check_model(file, full_check=precision != "q4")
    check = FileCheck(tmp_path, model)
    check.decoder("decoder.onnx", precision)
    check.embeddings("embeddings.onnx", precision)


def test_large_weights_are_beside_the_graph(tmp_path, monkeypatch):
    model = make_model(**LANGUAGE_MODELS["qwen2"])
    monkeypatch.setattr(onnx_nodes, "MAX_FILE_BYTES", 100_000)
    decoder_graph(model, "fp32").save(tmp_path / "decoder_model_merged.onnx")
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        "decoder_model_merged.onnx",
        "decoder_model_merged.onnx_data",
    ]
    FileCheck(tmp_path, model).decoder("decoder_model_merged.onnx", "fp32")


def test_another_model_is_noticed(tmp_path):
    model = make_model(**LANGUAGE_MODELS["qwen2"])
    decoder_graph(model, "fp32").save(tmp_path / "decoder.onnx")
    model.model.language_model.layers[1].mlp.up_proj.weight *= 1.02
    with pytest.raises(
        RuntimeError, match=r"`logits` of decoder.onnx differ from the model's by 0.0\d+ of their root"
    ):
        FileCheck(tmp_path, model).decoder("decoder.onnx", "fp32")
    FileCheck(tmp_path, model).decoder("decoder.onnx", "int8")
    assert TOLERANCES["fp32"] < TOLERANCES["fp16"] < TOLERANCES["int8"] < TOLERANCES["q4"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"use_sliding_window": True, "sliding_window": 4, "max_window_layers": 0}, "without sliding windows"),
        ({"rope_parameters": {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 1e4}}, "the type 'dynamic'"),
    ],
)
def test_language_models_that_are_not_exported(options, message):
    model = make_model(model_type="qwen2", num_key_value_heads=2, **options)
    with pytest.raises(ValueError, match=message):
        check_language_model(model.model.language_model)


@pytest.mark.parametrize("precision", ["int8", "q4"])
def test_products_fit_in_16_bits(tmp_path, precision):
    """x86 processors without VNNI add two of them there, where larger ones would saturate, which no test on another processor sees."""
    decoder_graph(make_model(**LANGUAGE_MODELS["qwen2"]), precision).save(tmp_path / "decoder.onnx")
    graph = onnx.load(tmp_path / "decoder.onnx").graph
    weights = {weight.name: weight for weight in graph.initializer}
    products = [node for node in graph.node if node.op_type == "MatMulInteger"]
    assert products
    for node in products:
        largest = np.abs(onnx.numpy_helper.to_array(weights[node.input[1]]).astype(int)).max()
        assert largest == 63 and 2 * 255 * largest <= np.iinfo(np.int16).max


def test_4_bits():
    """A block is off by no more than half a step, between its own lowest and highest weight or 0."""
    weight = torch.randn(3, 80) * torch.tensor([[0.01], [1], [0]])
    numbers, scales, zeros = to_4_bits(weight)
    assert [part.shape for part in (numbers, scales, zeros)] == [(3, 3, BLOCK_SIZE // 2), (3, 3), (3, 2)]
    unpacked = np.stack([numbers & 15, numbers >> 4], axis=-1).reshape(3, 3, BLOCK_SIZE).astype(np.float32)
    zeros = np.stack([zeros & 15, zeros >> 4], axis=-1).reshape(3, 4)[:, :3]
    restored = ((unpacked - zeros[..., None]) * scales[..., None]).reshape(3, -1)
    differences = np.abs(restored[:, :80] - weight.numpy()).reshape(3, -1)
    steps = np.repeat(scales, BLOCK_SIZE, axis=1)[:, :80]
    # the zero is rounded too
    assert (differences <= 1.01 * steps).all()
    assert (restored[2] == 0).all()
