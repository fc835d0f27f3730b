# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""What transformers' exporters write runs, and gives what the model gives."""

import copy
import importlib
import importlib.util

import pytest
import torch
from transformers import DynamicCache, exporters
from transformers.exporters.utils import decompose_for_generation, get_leaf_tensors

from exported_samples import FAMILIES, model_and_sample
from tiny_models import make_videos
from transformers_mvgpt.compat.cache_name import CACHE_NAME


if not hasattr(exporters, "ExportedModel"):
    pytest.skip("these exporters cannot run what they write", allow_module_level=True)

# of transformers' own code, in newer releases of PyTorch
pytestmark = [
    pytest.mark.filterwarnings("ignore:`treespec.children_specs` is deprecated:FutureWarning"),
    pytest.mark.filterwarnings("ignore:var_to_val is deprecated:FutureWarning"),
]

NEEDED = {"Executorch": "executorch", "OpenVINO": "openvino"}


def exporter(name):
    """An exporter and its config."""
    if name in NEEDED and importlib.util.find_spec(NEEDED[name]) is None:
        pytest.skip(f"{NEEDED[name]} is not installed")
    return getattr(exporters, f"{name}Exporter")(), getattr(exporters, f"{name}Config")


def assert_same(exported, module, inputs, tolerance=1e-5):
    """What an exported part gives, and a module of the same inputs."""
    inputs = {name: value for name, value in inputs.items() if name not in ("use_cache", "return_dict")}
    with torch.no_grad():
        expected = get_leaf_tensors(module(**copy.deepcopy(inputs)))
        found = get_leaf_tensors(exported(**copy.deepcopy(inputs)))
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=tolerance, atol=tolerance, msg=name)


def assert_parts_are_exact(backend, family, names=None, tolerance=1e-5, options=None, runner_options=None):
    exporter_of_backend, config = exporter(backend)
    parts = decompose_for_generation(*model_and_sample(family))
    for name in names or parts:
        module, inputs = parts[name]
        exported = exporter_of_backend.export(module, copy.deepcopy(inputs), config(dynamic=False, **(options or {})))
        exported.to(**(runner_options or {}))
        assert_same(exported, module, inputs, tolerance)


@pytest.mark.parametrize("family", ["MobileVLM", "TinyLLaVA-Video"])
def test_dynamo(family):
    assert_parts_are_exact("Dynamo", family, ["embed_vision"])


def test_onnx():
    assert_parts_are_exact("Onnx", "MobileVLM", ["embed_vision"])


@pytest.mark.slow
def test_whole_model_in_a_folder(tmp_path):
    model, sample = model_and_sample("MobileVLM")
    exporter_of_backend, config = exporter("Onnx")
    written = exporter_of_backend.export_for_generation(model, copy.deepcopy(sample), config(dynamic=False))
    written.save_pretrained(tmp_path)
    files = {path.name for path in tmp_path.glob("*.onnx")}
    assert files == {"embed_vision.onnx", "language_model.onnx", "lm_head.onnx", "decode.onnx"}
    parts = decompose_for_generation(model, sample)
    runners = exporters.ExportedModel.from_pretrained(tmp_path).runners
    for name, (module, inputs) in parts.items():
        assert_same(runners[name], module, inputs)


@torch.no_grad()
def test_steps_of_any_number_of_tokens():
    """Of 1 token and of many, after any number of others, in one graph."""
    model, sample = model_and_sample("Mobile-VideoGPT")
    parts = decompose_for_generation(model, sample, multi_token_decode=True)
    exporter_of_backend, config = exporter("Dynamo")
    exported = exporter_of_backend.export(*parts["decode"], config(dynamic=True))
    num_visual_tokens = model.config.num_video_tokens
    for before, length in ((7, 1), (30, 3), (7, num_visual_tokens + 5)):
        cache = DynamicCache(config=model.config.text_config)
        model(torch.arange(10, 10 + before)[None], **{CACHE_NAME: cache})
        ids = torch.arange(length)[None] % 90
        positions = torch.arange(before, before + length)[None]
        inputs = {"input_ids": ids, "position_ids": positions, CACHE_NAME: cache}
        found = exported(**copy.deepcopy(inputs))
        expected = model(**copy.deepcopy(inputs))
        torch.testing.assert_close(found.logits, expected.logits, rtol=1e-5, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("backend", ["Dynamo", "Onnx"])
def test_all_parts(backend, family):
    assert_parts_are_exact(backend, family)


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_executorch(family):
    # a position in float16, as in the release, may be rounded to the other side
    assert_parts_are_exact("Executorch", family, tolerance=5e-4 if family == "TinyLLaVA-Video" else 1e-5)


# in bfloat16, as some CPUs would run it, other frames would be selected
PRECISE = {"config": {"INFERENCE_PRECISION_HINT": "f32"}}


@pytest.mark.slow
@pytest.mark.parametrize("family", ["MobileVLM", "TinyLLaVA-Video"])
def test_openvino(family):
    options = {"stateful": False}
    assert_parts_are_exact("OpenVINO", family, options=options, runner_options=PRECISE)


@pytest.mark.slow
def test_openvino_is_refused_where_it_has_no_scan_and_reads_onnx(tmp_path):
    exporter_of_backend, config = exporter("OpenVINO")
    model, _ = model_and_sample("Mobile-VideoGPT")
    videos, module = make_videos("a"), model.model.embed_vision
    with pytest.raises(NotImplementedError, match="does not convert PyTorch's `scan`.*use `OnnxExporter`"):
        exporter_of_backend.export(module, dict(videos), config(dynamic=False))
    exporter_of_backend, config = exporter("Onnx")
    written = exporter_of_backend.export(module, dict(videos), config(dynamic=False))
    written.save_pretrained(tmp_path)
    core = importlib.import_module("openvino").Core()
    compiled = core.compile_model(core.read_model(tmp_path / "model.onnx"), "CPU", PRECISE["config"])
    found = compiled({name: value.numpy() for name, value in videos.items()})
    for name, value in module(**videos).items():
        torch.testing.assert_close(torch.from_numpy(found[name]), value.detach(), rtol=1e-5, atol=1e-5)
