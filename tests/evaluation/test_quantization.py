# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
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


PROMPT = torch.tensor([[5, 6, 7, 8]])
NUM_LAYERS, WIDTH, INNER, VOCABULARY = 4, 128, 384, 541
NUM_QUANTIZED = NUM_LAYERS * (4 * WIDTH**2 + 3 * WIDTH * INNER)
NUM_ROWS = NUM_LAYERS * (5 * WIDTH + 2 * INNER)
# embeddings, three biases and two norms in each layer, and the last norm
NUM_OTHERS = VOCABULARY * WIDTH + NUM_LAYERS * 5 * WIDTH + WIDTH
LANGUAGE_MODEL_BYTES = {
    None: 4 * (NUM_QUANTIZED + NUM_OTHERS),
    "int8": NUM_QUANTIZED + 5 * NUM_ROWS + 4 * NUM_OTHERS,  # a scale, and a zero of one byte, for each row
    "int4": NUM_QUANTIZED // 2 + 2 * 4 * NUM_QUANTIZED // 32 + 4 * NUM_OTHERS,  # a scale and a zero for 32 values
}


def load(**options):
    return AutoModelForImageTextToText.from_pretrained(CHECKPOINT, **options).eval()


@pytest.fixture(scope="module")
def plain():
    return load()


@pytest.fixture(scope="module", params=["int8", "int4"])
def quantized(request):
    pytest.importorskip("torchao", reason="torchao is not installed")
    model = load()
    quantize_language_model(model, request.param)
    return request.param, model


def test_only_layers_of_the_language_model_are_quantized(quantized, plain):
    _, model = quantized
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear):
            is_plain = type(module.weight) is nn.Parameter
            assert is_plain != name.startswith("model.language_model.layers."), name
            if is_plain:
                assert torch.equal(module.weight, plain.get_submodule(name).weight)
    assert model.lm_head.weight is model.get_input_embeddings().weight


def test_same_as_loading_with_a_configuration(quantized):
    name, model = quantized
    loaded = load(quantization_config=TorchAoConfig(torchao_config(name, torch.device("cpu"))))
    assert torch.equal(loaded(PROMPT).logits, model(PROMPT).logits)
    options = {"min_new_tokens": 3, "max_new_tokens": 3, "do_sample": False}
    assert torch.equal(loaded.generate(PROMPT, **options), model.generate(PROMPT, **options))


def test_logits_are_close_to_those_of_the_whole_weights(quantized, plain):
    name, model = quantized
    both = torch.stack([model(PROMPT).logits.flatten(), plain(PROMPT).logits.flatten()])
    assert torch.corrcoef(both)[0, 1] > {"int8": 0.999, "int4": 0.95}[name]


def test_bytes(quantized, plain):
    name, model = quantized
    assert language_model_bytes(plain) == LANGUAGE_MODEL_BYTES[None]
    assert language_model_bytes(model) == LANGUAGE_MODEL_BYTES[name]
    assert stored_bytes(torch.zeros(3, 5, dtype=torch.bfloat16)) == 30


def test_model_in_8_bits_is_saved_and_loaded(tmp_path):
    pytest.importorskip("torchao", reason="torchao is not installed")
    config = TorchAoConfig(torchao_config("int8", torch.device("cpu")))
    model = load(quantization_config=config)
    assert config.modules_to_not_convert is None  # what was given is left as it was
    model.save_pretrained(tmp_path)
    again = AutoModelForImageTextToText.from_pretrained(tmp_path)
    assert language_model_bytes(again) == LANGUAGE_MODEL_BYTES["int8"]
    assert torch.equal(again(PROMPT).logits, model(PROMPT).logits)


def test_given_modules_are_left_out():
    pytest.importorskip("torchao", reason="torchao is not installed")
    left_out = [r"model\.language_model\.layers\.1", "lm_head", "model.video_tower"]
    config = TorchAoConfig(torchao_config("int8", torch.device("cpu")), modules_to_not_convert=left_out)
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


def test_torchao_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "torchao", None)
    with pytest.raises(ImportError, match=r"need torchao: pip install 'transformers-mvgpt\[quantization\]'\."):
        check_quantization("int8")
