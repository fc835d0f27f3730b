# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
What is recorded as CUDA graphs, against the model without them. Without a GPU, nothing is recorded: the same functions run
directly.
"""

import pytest
import torch
from transformers import DynamicCache

from tiny_models import make_prompt, make_sample, make_videos, pad_left, tiny_model
from transformers_mvgpt.modeling.cache_name_mvgpt import CACHE_NAME
from transformers_mvgpt.modeling.cuda_graphs_mvgpt import CudaGraphs, GraphedFunction


on_gpu_too = pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.needs_cuda)])
PARTS = (5, "video:a", 6, 7)


@pytest.fixture
def model(device, monkeypatch):
    model = tiny_model().to(device)
    if device == "cpu":
        monkeypatch.setattr(GraphedFunction, "__call__", lambda self, *tensors: self._function(*tensors))
        model.model._cuda_graphs = CudaGraphs(model.model.language_model, model.model._encode_videos)
    else:
        model.cuda_graphs_enable()
    return model


@pytest.fixture
def calls(model, monkeypatch):
    """The shapes of what is given to the recordings."""
    calls = []
    call = GraphedFunction.__call__
    monkeypatch.setattr(
        GraphedFunction, "__call__", lambda self, *t: calls.append(tuple(t[0].shape)) or call(self, *t)
    )
    return calls


def on(device, sample):
    return {name: value.to(device) for name, value in sample.items()}


def without_graphs(model, call):
    graphs, model.model._cuda_graphs = model.model._cuda_graphs, None
    result = call()
    model.model._cuda_graphs = graphs
    return result


@on_gpu_too
@pytest.mark.parametrize("options", [{}, {"cache_implementation": "static", "disable_compile": True}], ids=str)
def test_answers_are_the_same(device, model, calls, options):
    for name in "ab":  # the second is replayed
        sample = on(device, make_sample(5, f"video:{name}", 6, 7))

        def answer(sample=sample):
            return model.generate(
                **sample, max_new_tokens=8, return_dict_in_generate=True, output_logits=True, **options
            )

        found = answer()
        assert [shape[1] for shape in calls] == [12, 128], "12 frames; 119 tokens in steps of 64"
        calls.clear()
        wanted = without_graphs(model, answer)
        assert not calls
        assert torch.equal(found.sequences, wanted.sequences)
        torch.testing.assert_close(torch.stack(found.logits), torch.stack(wanted.logits), rtol=1e-4, atol=1e-4)


@pytest.mark.needs_cuda
@pytest.mark.parametrize("num_prompts", [1, 3])
def test_compiled_steps_are_recorded(num_prompts):
    model = tiny_model().cuda()
    prompts = torch.cat([make_prompt(*range(start, start + 70)) for start in range(5, 5 + num_prompts)]).cuda()
    wanted = model.generate(prompts, max_new_tokens=12)
    model.cuda_graphs_enable()
    for _ in range(2):  # each answer with a cache of its own
        found = model.generate(prompts, max_new_tokens=12, cache_implementation="static")
        assert torch.equal(found, wanted)
    assert len(set(wanted[0, 70:].tolist())) > 3


@on_gpu_too
def test_what_comes_back_stays(device, model):
    """And is not overwritten by the next replay."""
    first, second = (on(device, make_videos(name)) for name in "ab")
    with torch.no_grad():
        wanted = without_graphs(model, lambda: model.get_video_features(**first))
        found = model.get_video_features(**first)
        model.get_video_features(**second)
    assert found.keys() == wanted.keys()
    for name, tensor in wanted.items():
        torch.testing.assert_close(found[name], tensor, rtol=1e-4, atol=1e-4)


@on_gpu_too
def test_videos_of_another_length_are_filled_up(device, model, calls):
    short = on(device, make_videos("a", num_frames=5))
    with torch.no_grad():
        found = model.get_video_features(**short)
        assert calls == [(1, 12, 3, 24, 24)]
        wanted = without_graphs(model, lambda: model.get_video_features(**short))
    torch.testing.assert_close(found.pooler_output, wanted.pooler_output, rtol=1e-4, atol=1e-4)


@on_gpu_too
@pytest.mark.parametrize(
    "case", ["padding", "positions", "later turn", "hidden states", "mask", "gradients", "training"]
)
def test_everything_else_goes_the_plain_way(device, model, calls, case):
    sample = {"input_ids": make_prompt(5, *range(6, 90))}
    if case == "padding":
        sample = pad_left(make_prompt(5, *range(6, 90)), make_prompt(*range(9, 85)))
    elif case == "positions":
        sample["position_ids"] = torch.arange(3, 88)[None]
    elif case == "mask":
        sample["attention_mask"] = torch.ones(1, 1, 85, 85, dtype=torch.bool)
    sample = on(device, sample)
    if case == "later turn":
        with torch.no_grad():
            cache = without_graphs(model, lambda: model(**sample, use_cache=True)[CACHE_NAME])
        sample[CACHE_NAME] = cache
    if case == "training":
        model.train()
    with torch.set_grad_enabled(case == "gradients"):
        model(**sample, output_hidden_states=case == "hidden states")
    assert not calls


@on_gpu_too
def test_a_cache_that_is_given_is_filled(device, model, calls):
    prompt = make_prompt(*range(5, 85)).to(device)
    cache = DynamicCache(config=model.config.text_config)
    with torch.no_grad():
        output = model(prompt, use_cache=True, **{CACHE_NAME: cache})
        wanted = without_graphs(model, lambda: model(prompt, use_cache=True))
    assert calls == [(1, 128, 32)]
    assert output[CACHE_NAME] is cache
    for layer, other in zip(cache.layers, wanted[CACHE_NAME].layers, strict=True):
        torch.testing.assert_close(layer.keys, other.keys, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(layer.values, other.values, rtol=1e-4, atol=1e-4)


@on_gpu_too
def test_moved_weights_end_the_recordings(device, model, calls):
    model.to(torch.float64)
    model.generate(**on(device, {"input_ids": make_prompt(*range(5, 85))}), max_new_tokens=1)
    assert not calls


@pytest.mark.needs_cuda
def test_disabled_again():
    model = tiny_model().cuda()
    model.cuda_graphs_enable()
    model.cuda_graphs_disable()
    with torch.no_grad():
        assert model.model.usable_cuda_graphs() is None


@pytest.mark.needs_cuda
def test_the_shape_used_longest_ago_is_forgotten():
    calls = []

    def double(x):
        calls.append(len(x))
        return {"y": 2 * x}

    function = GraphedFunction(double)
    for size in (*range(1, 9), 1, 9, 1, 2):
        assert torch.equal(function(torch.ones(size, device="cuda"))["y"], torch.full((size,), 2.0, device="cuda"))
    assert [calls.count(size) for size in range(1, 10)] == [2, 4, 2, 2, 2, 2, 2, 2, 2], (
        "twice each time it is recorded"
    )


def test_on_a_cpu():
    with pytest.raises(ValueError, match=r"need a model on a GPU, and this one is on cpu: `model.to\('cuda'\)`"):
        tiny_model().cuda_graphs_enable()
