# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Models that are loaded in parts, elsewhere, or in fewer bits."""

import copy
import pickle
from collections import defaultdict

import pytest
import torch
from torch import nn
from transformers import BitsAndBytesConfig

from tiny_models import make_sample, tiny_model
from transformers_mvgpt import MobileVideoGPTForConditionalGeneration
from transformers_mvgpt.kernels import gates


SAMPLE = make_sample(5, "video:a", 6, "image:i", 7)

BY_PART = {
    "model.vision_tower": "disk",
    "model.image_projector": "cpu",
    "model.video_tower": "cpu",
    "model.video_projector": "disk",
    "model.language_model": "cpu",
    "lm_head": "disk",
}
BY_LAYER = {
    "model.vision_tower.embeddings": "cpu",
    "model.vision_tower.pre_layrnorm": "disk",
    "model.vision_tower.encoder.layers.0": "disk",
    "model.vision_tower.encoder.layers.1": "cpu",
    "model.vision_tower.encoder.layers.2": "disk",
    "model.vision_tower.post_layernorm": "disk",
    "model.image_projector": "disk",
    "model.video_tower.embeddings": "disk",
    "model.video_tower.layers.0": "cpu",
    "model.video_tower.layers.1": "disk",
    "model.video_tower.norm": "cpu",
    "model.video_tower.clip_decoder": "disk",
    "model.video_projector": "cpu",
    "model.language_model": "disk",
    "lm_head": "cpu",
}


@pytest.fixture(scope="module")
def model():
    return tiny_model()


@pytest.fixture(scope="module", params=[True, False], ids=["published names", "own names"])
def checkpoint(model, request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkpoint")
    model.save_pretrained(folder, save_original_format=request.param)
    return folder


def load(checkpoint, **options):
    return MobileVideoGPTForConditionalGeneration.from_pretrained(checkpoint, **options)


@pytest.fixture
def without_numba(monkeypatch):
    """What is compiled rounds otherwise, and leaves alone what accelerate has hooked."""
    monkeypatch.setattr(gates, "has_numba", False)


@torch.no_grad()
def assert_same_outputs(actual, expected):
    for one in (actual, expected):  # numba needs its weights in memory, and rounds otherwise than PyTorch
        one.config.video_config.scan_implementation = "torch"
    assert torch.equal(actual(**SAMPLE).logits, expected(**SAMPLE).logits)
    options = {"max_new_tokens": 4, "do_sample": False}
    assert torch.equal(actual.generate(**SAMPLE, **options), expected.generate(**SAMPLE, **options))


def test_copies(model):
    assert_same_outputs(copy.deepcopy(model), model)
    assert_same_outputs(pickle.loads(pickle.dumps(model)), model)


def test_device_map_auto(checkpoint, model):
    pytest.importorskip("accelerate")
    assert_same_outputs(load(checkpoint, device_map="auto").to("cpu"), model)


@pytest.mark.usefixtures("without_numba")
@pytest.mark.parametrize("device_map", [BY_PART, BY_LAYER], ids=["by part", "by layer"])
def test_parts_on_disk(device_map, checkpoint, model, tmp_path):
    pytest.importorskip("accelerate")
    loaded = load(checkpoint, device_map=device_map, offload_folder=tmp_path)
    places = {parameter.device.type for parameter in loaded.parameters()}
    assert places == {"cpu", "meta"}
    assert_same_outputs(loaded, model)


@pytest.mark.usefixtures("without_numba")
@pytest.mark.parametrize("place", ["cpu", "disk"])
def test_offloaded_model(place, checkpoint, model, tmp_path):
    accelerate = pytest.importorskip("accelerate")
    loaded = load(checkpoint)
    if place == "cpu":
        accelerate.cpu_offload(loaded, torch.device("cpu"))
    else:
        accelerate.disk_offload(loaded, tmp_path, torch.device("cpu"))
    assert all(parameter.is_meta for parameter in loaded.parameters())
    assert_same_outputs(loaded, model)


@pytest.mark.usefixtures("without_numba")
def test_dispatched_model(checkpoint, model, tmp_path):
    accelerate = pytest.importorskip("accelerate")
    loaded = accelerate.dispatch_model(load(checkpoint), BY_PART, main_device="cpu", offload_dir=tmp_path)
    assert_same_outputs(loaded, model)


def test_layers_stay_whole():
    expected = {"Qwen2DecoderLayer", "CLIPEncoderLayer", "VideoMambaBlock", "PooledProjector"}
    assert set(tiny_model()._no_split_modules) >= expected


# Fewer bits


def linears_by_part(model):
    """The classes and dtypes of the linear layers of each part of the model."""
    linears = defaultdict(set)
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear):
            linears[name.removeprefix("model.").partition(".")[0]].add((type(module).__name__, module.weight.dtype))
    return dict(linears)


QUANTIZATIONS = [
    pytest.param({"load_in_8bit": True}, ("Linear8bitLt", torch.int8), id="8 bits"),
    pytest.param({"load_in_4bit": True}, ("Linear4bit", torch.uint8), id="4 bits"),
]


@pytest.mark.parametrize("as_dictionary", [False, True], ids=["config", "dictionary"])
@pytest.mark.parametrize(("options", "quantized"), QUANTIZATIONS)
def test_only_the_language_model_is_quantized(options, quantized, as_dictionary, checkpoint, model):
    pytest.importorskip("bitsandbytes")
    config = BitsAndBytesConfig(**options)
    given = config.to_dict() if as_dictionary else config
    loaded = load(checkpoint, quantization_config=given, dtype=torch.bfloat16, device_map="cpu")
    plain = ("Linear", torch.bfloat16)
    assert linears_by_part(loaded) == {
        "vision_tower": {plain},
        "video_tower": {plain},
        "image_projector": {plain},
        "video_projector": {plain},
        "language_model": {quantized},
        "lm_head": {plain},
    }
    assert config.llm_int8_skip_modules is None  # what was given is left as it was
    logits = loaded(**SAMPLE).logits
    expected = copy.deepcopy(model).bfloat16()(**SAMPLE)
    assert torch.equal(loaded(**SAMPLE).video_hidden_states, expected.video_hidden_states)
    # 4 bits are coarse for layers as narrow as these
    assert torch.corrcoef(torch.stack([logits.flatten(), expected.logits.flatten()]).float())[0, 1] > 0.8


@pytest.mark.parametrize(("options", "quantized"), QUANTIZATIONS)
def test_given_modules_are_left_out_of_quantization(options, quantized, checkpoint):
    pytest.importorskip("bitsandbytes")
    config = BitsAndBytesConfig(**options, llm_int8_skip_modules=["lm_head", "model.language_model.layers.1"])
    loaded = load(checkpoint, quantization_config=config, dtype=torch.bfloat16, device_map="cpu")
    plain = ("Linear", torch.bfloat16)
    assert linears_by_part(loaded) == {
        "vision_tower": {quantized},
        "video_tower": {quantized},
        "image_projector": {quantized},
        "video_projector": {quantized},
        "language_model": {quantized, plain},
        "lm_head": {plain},
    }


def test_quantized_model_is_saved_and_loaded(checkpoint, tmp_path):
    pytest.importorskip("bitsandbytes")
    config = BitsAndBytesConfig(load_in_8bit=True)
    loaded = load(checkpoint, quantization_config=config, device_map="cpu")
    loaded.save_pretrained(tmp_path)
    again = load(tmp_path, device_map="cpu")
    assert linears_by_part(again) == linears_by_part(loaded)
    assert torch.equal(again(**SAMPLE).logits, loaded(**SAMPLE).logits)
