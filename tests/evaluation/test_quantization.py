# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
import copy
import sys

import pytest
import torch
from torch import nn
from transformers import AutoModelForImageTextToText, TorchAoConfig

from transformers_mvgpt.demo import CHECKPOINT
from transformers_mvgpt.evaluation.quantization import (
    check_quantization,
    language_model_bytes,
    quantize_language_model,
    stored_bytes,
    torchao_config,
)
from transformers_mvgpt.kernels import decode_step, gates
from transformers_mvgpt.kernels.quantized_linear import QuantizedEmbedding, QuantizedLinear, unpack_plainly


PROMPT = torch.tensor([[5, 6, 7, 8]])
LONG_PROMPT = torch.arange(5, 35)[None]
NUM_LAYERS, WIDTH, INNER, VOCABULARY = 4, 128, 384, 541
NUM_QUANTIZED = NUM_LAYERS * (4 * WIDTH**2 + 3 * WIDTH * INNER)
NUM_ROWS = NUM_LAYERS * (5 * WIDTH + 2 * INNER)
# three biases and two norms in each layer, and the last norm
NUM_SMALL = NUM_LAYERS * 5 * WIDTH + WIDTH
NUM_OTHERS = VOCABULARY * WIDTH + NUM_SMALL
PACKED_VOCABULARY = 544  # in blocks of 16 rows
# with a scale of two bytes for 32 values
HEAD_BYTES = PACKED_VOCABULARY * WIDTH * 34 // 32
LANGUAGE_MODEL_BYTES = {
    None: 4 * (NUM_QUANTIZED + NUM_OTHERS),
    "int8": NUM_QUANTIZED * 34 // 32 + HEAD_BYTES + 4 * NUM_SMALL,
    "int4": NUM_QUANTIZED * 20 // 32 + HEAD_BYTES + 4 * NUM_SMALL,  # and a minimum
}
TORCHAO_BYTES = NUM_QUANTIZED + 5 * NUM_ROWS + 4 * NUM_OTHERS  # a scale, and a zero of one byte, for each row
OPTIONS = {"min_new_tokens": 5, "max_new_tokens": 5, "do_sample": False}


def load(**options):
    return AutoModelForImageTextToText.from_pretrained(CHECKPOINT, **options).eval()


def write_out(model):
    """A plain model in float32 with the weights that a quantized one stands for."""
    twin = load()
    for name, module in model.named_modules():
        if isinstance(module, QuantizedLinear):
            linear = twin.get_submodule(name)
            whole = unpack_plainly(module.weight).flatten(2).flatten(0, 1)
            linear.weight.data = whole[: linear.out_features, : linear.in_features].clone()
    return twin


@pytest.fixture(scope="module")
def plain():
    return load()


@pytest.fixture(scope="module", params=["int8", "int4"])
def quantized(request):
    pytest.importorskip("numba", reason="numba is not installed")
    model = load()
    quantize_language_model(model, request.param)
    return request.param, model


def test_only_the_language_model_is_quantized(quantized, plain):
    name, model = quantized
    bits = {"int8": 8, "int4": 4}[name]
    for path, module in model.named_modules():
        if type(module) is nn.Linear:
            assert torch.equal(module.weight, plain.get_submodule(path).weight)
        is_quantized = path == "lm_head" or path.startswith("model.language_model.layers.")
        assert isinstance(plain.get_submodule(path), nn.Linear) is (type(module) in (nn.Linear, QuantizedLinear))
        if isinstance(plain.get_submodule(path), nn.Linear):
            assert (type(module) is QuantizedLinear) == is_quantized
            assert not is_quantized or f"bits={8 if path == 'lm_head' else bits}" in repr(module)
    assert type(model.get_input_embeddings()) is QuantizedEmbedding
    assert model.lm_head.weight is model.get_input_embeddings().weight


def test_same_as_weights_written_out(quantized):
    """The compiled step and products, those of several answers and beams, and the prefill, beside a plain model."""
    _, model = quantized
    twin = write_out(model)
    with torch.no_grad():
        short, long = (model(prompt).logits for prompt in (PROMPT, LONG_PROMPT))
        torch.testing.assert_close(short, twin(PROMPT).logits, rtol=1e-3, atol=2e-3)
        torch.testing.assert_close(long, twin(LONG_PROMPT).logits, rtol=1e-4, atol=1e-4)
    for options in ({}, {"num_beams": 3}):
        assert torch.equal(model.generate(PROMPT, **OPTIONS, **options), twin.generate(PROMPT, **OPTIONS, **options))
    both = {"inputs": LONG_PROMPT.repeat(2, 1), "attention_mask": torch.ones(2, 30, dtype=torch.int64)}
    both["attention_mask"][0, :4] = 0
    assert torch.equal(model.generate(**both, **OPTIONS), twin.generate(**both, **OPTIONS))


def test_tokens_go_through_the_compiled_step(quantized, monkeypatch):
    _, model = quantized
    bits, decode_token = [], decode_step.decode_token
    monkeypatch.setattr(
        decode_step, "decode_token", lambda step, dtype: bits.append(step.bits) or decode_token(step, dtype)
    )
    found = model.generate(PROMPT, **OPTIONS)
    assert bits == [{"int8": 8, "int4": 4}[quantized[0]]] * 4
    monkeypatch.setattr(gates, "has_numba", False)
    assert torch.equal(model.generate(PROMPT, **OPTIONS), found)
    assert len(bits) == 4


def test_bfloat16(quantized):
    name, _ = quantized
    model = load(dtype=torch.bfloat16)
    quantize_language_model(model, name)
    twin = write_out(model)
    assert torch.equal(model.generate(PROMPT, **OPTIONS), twin.generate(PROMPT, **OPTIONS))
    assert model.get_input_embeddings()(PROMPT).dtype == torch.bfloat16


def test_logits_are_close_to_those_of_the_whole_weights(quantized, plain):
    name, model = quantized
    both = torch.stack([model(PROMPT).logits.flatten(), plain(PROMPT).logits.flatten()])
    assert torch.corrcoef(both)[0, 1] > {"int8": 0.999, "int4": 0.95}[name]


def test_bytes(quantized, plain):
    name, model = quantized
    assert language_model_bytes(plain) == LANGUAGE_MODEL_BYTES[None]
    assert language_model_bytes(model) == LANGUAGE_MODEL_BYTES[name]
    assert stored_bytes(torch.zeros(3, 5, dtype=torch.bfloat16)) == 30


def test_quantized_for_a_cpu_is_not_saved(quantized, tmp_path):
    _, model = quantized
    with pytest.raises(
        ValueError, match=r"quantized for CPUs cannot be saved: save it as it was before, and quantize"
    ):
        model.save_pretrained(tmp_path)
    assert not list(tmp_path.iterdir())
    copied = copy.deepcopy(model)
    assert torch.equal(copied(PROMPT).logits, model(PROMPT).logits)


def test_head_and_embeddings_that_are_not_tied():
    pytest.importorskip("numba", reason="numba is not installed")
    model = load()
    model.lm_head.weight = nn.Parameter(model.lm_head.weight.detach().flip(0))
    quantize_language_model(model, "int4")
    head, embedding = model.lm_head, model.get_input_embeddings()
    assert head.weight is not embedding.weight
    assert language_model_bytes(model) == LANGUAGE_MODEL_BYTES["int4"] + HEAD_BYTES
    torch.testing.assert_close(
        unpack_plainly(head.weight).flatten(2).flatten(0, 1)[:VOCABULARY], embedding(torch.arange(VOCABULARY)).flip(0)
    )


def test_torchao_in_8_bits_is_saved_and_loaded(tmp_path):
    pytest.importorskip("torchao", reason="torchao is not installed")
    config = TorchAoConfig(torchao_config("int8"))
    model = load(quantization_config=config)
    assert config.modules_to_not_convert is None  # what was given is left as it was
    assert language_model_bytes(model) == TORCHAO_BYTES
    model.save_pretrained(tmp_path)
    again = AutoModelForImageTextToText.from_pretrained(tmp_path)
    assert language_model_bytes(again) == TORCHAO_BYTES
    assert torch.equal(again(PROMPT).logits, model(PROMPT).logits)


def test_given_modules_are_left_out():
    pytest.importorskip("torchao", reason="torchao is not installed")
    left_out = [r"model\.language_model\.layers\.1", "lm_head", "model.video_tower"]
    config = TorchAoConfig(torchao_config("int8"), modules_to_not_convert=left_out)
    model = load(quantization_config=config)
    assert type(model.model.language_model.layers[1].mlp.up_proj.weight) is nn.Parameter
    assert type(model.model.language_model.layers[0].mlp.up_proj.weight) is not nn.Parameter
    assert type(model.model.image_projector.linear_1.weight) is not nn.Parameter


@pytest.mark.needs_cuda
@pytest.mark.parametrize("name", ["int8", "int4"])
def test_quantized_on_a_gpu(name):
    pytest.importorskip("torchao", reason="torchao is not installed")
    plain = load(dtype=torch.bfloat16).cuda()
    expected = plain(PROMPT.cuda()).logits
    quantize_language_model(plain, name)
    both = torch.stack([plain(PROMPT.cuda()).logits.flatten(), expected.flatten()]).float()
    assert torch.corrcoef(both)[0, 1] > {"int8": 0.999, "int4": 0.95}[name]


def test_4_bits_elsewhere_than_on_cpu_need_bfloat16():
    pytest.importorskip("torchao", reason="torchao is not installed")
    with pytest.raises(ValueError, match=r"int4 on a GPU needs a model in bfloat16, and this one is in float32\."):
        quantize_language_model(load().to("meta"), "int4")


def test_unknown_name():
    with pytest.raises(ValueError, match=r"`quantization` \(int2\) must be int8 or int4\."):
        check_quantization("int2")


@pytest.mark.parametrize("device", ["cuda", "cuda:1", 0, torch.device("mps")])
def test_torchao_is_missing(monkeypatch, device):
    monkeypatch.setitem(sys.modules, "torchao", None)
    with pytest.raises(ImportError, match=r"need torchao: pip install 'transformers-mvgpt\[quantization\]'\."):
        check_quantization("int8", device)


@pytest.mark.parametrize("device", ["cpu", -1, torch.device("cpu")])
def test_numba_is_missing(monkeypatch, device):
    monkeypatch.setitem(sys.modules, "torchao", None)  # is not asked for
    monkeypatch.setattr(gates, "has_numba", False)
    with pytest.raises(ImportError, match=r"on a CPU need numba, .*: pip install 'transformers-mvgpt\[cpu\]'\."):
        check_quantization("int8", device)
