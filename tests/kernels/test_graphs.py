# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
What is recorded as CUDA graphs, against the model without them. Without a GPU, nothing is recorded: the same functions run
directly.
"""

import copy
import gc
import weakref

import pytest
import torch
from transformers import DynamicCache, PreTrainedModel, StaticCache

from recorded_graphs import pretend_to_record, watch_replays
from tiny_models import make_prompt, make_sample, make_videos, pad_left, tiny_config, tiny_model
from transformers_mvgpt import MobileVideoGPTForConditionalGeneration
from transformers_mvgpt.compat.cache_name import CACHE_NAME, OLD_NAME
from transformers_mvgpt.kernels.dispatch import enable_cuda_graphs, run_language_model, usable_cuda_graphs
from transformers_mvgpt.kernels.graphs_model import recordings
from transformers_mvgpt.kernels.graphs_recording import Recording


on_gpu_too = pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.needs_cuda)])
PARTS = (5, "video:a", 6, 7)


@pytest.fixture
def recording_class(device, monkeypatch):
    return pretend_to_record(monkeypatch) if device == "cpu" else Recording


@pytest.fixture
def model(device, recording_class):
    model = tiny_model().to(device)
    if device == "cpu":
        enable_cuda_graphs(model.model)
    else:
        model.cuda_graphs_enable()
    return model


@pytest.fixture
def calls(monkeypatch, recording_class):
    """The shapes of what is given to the recordings."""
    return watch_replays(monkeypatch, recording_class)


def on(device, sample):
    return {name: value.to(device) for name, value in sample.items()}


def without_graphs(model, call):
    graphs, recordings[model.model] = recordings[model.model], None
    result = call()
    recordings[model.model] = graphs
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


@pytest.fixture
def compiled_on_cpu(monkeypatch):
    """`generate` takes its compiled step, which is the model itself."""
    monkeypatch.setattr(PreTrainedModel, "get_compiled_call", lambda self, config: self.__call__)
    monkeypatch.setattr(MobileVideoGPTForConditionalGeneration, "_valid_auto_compile_criteria", lambda self, *_: True)


STEP_OPTIONS = {
    "steps": {},
    "prompt lookup": {"prompt_lookup_num_tokens": 3},
    "prefill in chunks": {"prefill_chunk_size": 50},
    "hidden states": {"output_hidden_states": True},
    "attentions": {"output_attentions": True},
}


@pytest.mark.usefixtures("compiled_on_cpu")
@pytest.mark.parametrize("device", ["cpu"])
@pytest.mark.parametrize("name", STEP_OPTIONS)
def test_steps_are_the_same(device, model, calls, name):
    if name == "prompt lookup" and CACHE_NAME == OLD_NAME:
        pytest.skip("transformers before 5.24 has no prompt lookup with a cache of fixed size")
    if name == "attentions":
        model.set_attn_implementation("eager")
    prompt = make_prompt(*range(5, 45), *range(5, 45))

    def answer():
        cache = StaticCache(config=model.config.text_config, max_cache_len=100)
        options = {"return_dict_in_generate": True, CACHE_NAME: cache, **STEP_OPTIONS[name]}
        return model.generate(prompt, max_new_tokens=9, **options)

    found = answer()
    read, step = (1, 128, 32), (1, 1)  # the prompt in steps of 64 tokens; ids of one token
    if name == "prompt lookup":
        assert set(calls) <= {read, step}, "guesses are not recorded"
    else:
        expected = {"steps": [read, *[step] * 8], "prefill in chunks": [step] * 8}
        assert calls == expected.get(name, [])
    wanted = without_graphs(model, answer)
    assert torch.equal(found.sequences, wanted.sequences)
    if name in ("hidden states", "attentions"):
        name = name.replace(" ", "_")
        for some, others in zip(found[name], wanted[name], strict=True):
            for one, other in zip(some, others, strict=True):
                torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


@pytest.mark.usefixtures("compiled_on_cpu")
@pytest.mark.parametrize("device", ["cpu"])
def test_nothing_is_kept_of_a_step(device, model):
    gc.collect()
    gc.disable()
    try:
        cache = StaticCache(config=model.config.text_config, max_cache_len=100)
        kept = weakref.ref(cache)
        model.generate(make_prompt(*range(5, 85)), max_new_tokens=5, **{CACHE_NAME: cache})
        del cache
        assert kept() is None
    finally:
        gc.enable()


@on_gpu_too
def test_hidden_states_that_the_config_asks_for(device, model):
    model.config.text_config.output_hidden_states = True
    with torch.no_grad():
        assert model.model.language_model(inputs_embeds=torch.zeros(1, 70, 32, device=device)).hidden_states
        assert run_language_model(model.model, inputs_embeds=torch.zeros(1, 70, 32, device=device)).hidden_states


@on_gpu_too
def test_no_cache_that_the_config_does_not_want(device, model, calls):
    model.config.text_config.use_cache = False
    with torch.no_grad():
        output = run_language_model(model.model, inputs_embeds=torch.zeros(1, 70, 32, device=device))
    assert len(calls) == 1
    assert output.get(CACHE_NAME) is None


@pytest.mark.parametrize("device", ["cpu"])
def test_layers_that_forget_go_the_plain_way(device, monkeypatch):
    """What a prompt is filled up with would push its own tokens out."""
    config = tiny_config(text_config={"use_sliding_window": True, "sliding_window": 16, "max_window_layers": 0})
    model = tiny_model(config)
    prompt = make_prompt(*range(5, 85))
    wanted = model.generate(prompt, max_new_tokens=6)
    calls = watch_replays(monkeypatch, pretend_to_record(monkeypatch))
    enable_cuda_graphs(model.model)
    assert torch.equal(model.generate(prompt, max_new_tokens=6), wanted)
    assert not calls


@pytest.mark.parametrize("device", ["cpu"])
def test_recordings_do_not_keep_their_model(device, monkeypatch):
    pretend_to_record(monkeypatch)
    model = tiny_model()
    enable_cuda_graphs(model.model)
    model.generate(make_prompt(*range(5, 85)), max_new_tokens=2)
    kept = weakref.ref(model.model)
    del model
    gc.collect()
    assert kept() is None


def test_recordings_go_at_once(monkeypatch):
    """What they hold on a GPU must not wait until Python looks for cycles."""
    pretend_to_record(monkeypatch)
    model = tiny_model()
    enable_cuda_graphs(model.model)
    model.generate(make_prompt(*range(5, 85)), max_new_tokens=2)
    kept = weakref.ref(recordings[model.model])
    gc.disable()
    try:
        model.cuda_graphs_disable()
        assert kept() is None
    finally:
        gc.enable()


@on_gpu_too
def test_copies_have_none(device, model):
    with torch.no_grad():
        model.get_video_features(**on(device, make_videos("a")))
        assert usable_cuda_graphs(model.model) is not None
        assert recordings[model.model].memory.num_bytes > 0
        assert copy.deepcopy(model).model not in recordings


@pytest.mark.needs_cuda
def test_autocast_goes_the_plain_way():
    model = tiny_model().cuda()
    model.cuda_graphs_enable()
    with torch.no_grad(), torch.autocast("cuda", dtype=torch.bfloat16):
        assert usable_cuda_graphs(model.model) is None


@pytest.mark.needs_cuda
def test_recorded_in_inference_mode_and_used_outside():
    model = tiny_model().cuda()
    model.cuda_graphs_enable()
    videos = on("cuda", make_videos("a"))
    with torch.inference_mode():
        wanted = model.get_video_features(**videos).pooler_output
    with torch.no_grad():
        assert torch.equal(model.get_video_features(**videos).pooler_output, wanted)


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
@pytest.mark.parametrize("case", ["padding", "later turn", "hidden states", "mask", "gradients", "training"])
def test_everything_else_goes_the_plain_way(device, model, calls, case):
    sample = {"input_ids": make_prompt(5, *range(6, 90))}
    if case == "padding":
        sample = pad_left(make_prompt(5, *range(6, 90)), make_prompt(*range(9, 85)))
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
def test_other_positions_go_the_plain_way(device, model):
    """It is only known when the recording has been replayed."""
    sample = on(device, {"input_ids": make_prompt(*range(5, 90)), "position_ids": torch.arange(3, 88)[None] * 2})
    cache = DynamicCache(config=model.config.text_config)
    with torch.no_grad():
        found = model(**sample, use_cache=True, **{CACHE_NAME: cache})
        wanted = without_graphs(model, lambda: model(**sample))
    torch.testing.assert_close(found.logits, wanted.logits, rtol=1e-4, atol=1e-4)
    assert cache.get_seq_length() == 85


@pytest.mark.needs_cuda
def test_disabled_again():
    model = tiny_model().cuda()
    model.cuda_graphs_enable()
    model.cuda_graphs_disable()
    with torch.no_grad():
        assert usable_cuda_graphs(model.model) is None


def test_on_a_cpu():
    with pytest.raises(ValueError, match=r"need a model on one GPU, and this one is on cpu: `model.to\('cuda'\)`"):
        tiny_model().cuda_graphs_enable()


def test_on_several_devices():
    model = tiny_model()
    model.lm_head.to("meta")
    with pytest.raises(ValueError, match="need a model on one GPU, and this one is on cpu, meta"):
        model.cuda_graphs_enable()
