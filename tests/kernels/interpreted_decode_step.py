# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
The decode step as Triton kernels, against the language model whose place it takes. test_gpu_decode_step.py runs these tests in a
process of their own: in Triton's interpreter, on CPU, or compiled, on a GPU.
"""

import copy

import pytest
import torch
from torch import nn
from transformers import DynamicCache

from tiny_models import make_prompt, pad_left, tiny_config, tiny_language_model, tiny_model
from transformers_mvgpt.compat.cache_name import CACHE_NAME
from transformers_mvgpt.kernels import decode_buffer, gpu_decode_step, triton_decode_step
from transformers_mvgpt.kernels.gates_gpu_decode import weights_on_gpu
from transformers_mvgpt.kernels.gpu_decode_step import decode_on_gpu
from triton_runs import DEVICE, IS_INTERPRETED


HALF = torch.float16 if IS_INTERPRETED else torch.bfloat16  # the interpreter cuts bfloat16 off where a GPU rounds
SIZES = {"hidden_size": 48, "intermediate_size": 70, "num_hidden_layers": 2, "head_dim": 32}


@pytest.fixture(autouse=True)
def few_programs(monkeypatch):
    """The interpreter takes its time for each."""
    if IS_INTERPRETED:
        for name in ("PROJECT", "GATE", "ADD"):
            monkeypatch.setattr(triton_decode_step, name, (triton_decode_step.Blocks(64, 64, 1, 4),) * 2)
        monkeypatch.setattr(triton_decode_step, "ATTEND", triton_decode_step.Blocks(16, 0, 1, 4))
        monkeypatch.setattr(triton_decode_step, "_MOST_SPLITS", 2)


@pytest.fixture
def steps(monkeypatch):
    """How many sequences each step had, and how many tokens were in the cache."""
    steps, make = [], gpu_decode_step._make

    def record(step, buffer, *tensors):
        steps.append((tensors[0].shape[0], buffer.length))
        return make(step, buffer, *tensors)

    monkeypatch.setattr(gpu_decode_step, "_make", record)
    return steps


def make_model(dtype=torch.float32, **fields):
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2}
    return tiny_language_model(dtype, **{**SIZES, **heads, **fields}).to(DEVICE)


class Answer:
    """The cache, mask and positions of prompts of random tokens, some with padding in front."""

    def __init__(self, model, num_sequences, length, num_hidden=0):
        self.model = model
        self.random = torch.Generator().manual_seed(length)
        self.cache = DynamicCache(config=model.config)
        self.mask = torch.ones(num_sequences, length, dtype=torch.int64, device=DEVICE)
        self.mask[0, :num_hidden] = 0
        prompt = self._draw(num_sequences, length)
        model(inputs_embeds=prompt, **self.inputs(), use_cache=True)

    def _draw(self, *shape):
        width = self.model.config.hidden_size
        return torch.randn(*shape, width, generator=self.random).to(DEVICE, self.model.dtype)

    def inputs(self):
        positions = (self.mask.cumsum(-1) - 1).clamp(min=0)[:, self.cache.get_seq_length() :]
        return {"attention_mask": self.mask, "position_ids": positions, CACHE_NAME: self.cache}

    def next_token(self):
        self.mask = torch.cat([self.mask, self.mask.new_ones(len(self.mask), 1)], -1)
        return self._draw(len(self.mask), 1)


CASES = {
    "one sequence": ({}, 1, 0),
    "several, with padding": ({}, 3, 5),
    "no more heads than keys": ({"num_attention_heads": 2, "intermediate_size": 16}, 2, 1),
    "one key, wide heads": ({"num_attention_heads": 3, "num_key_value_heads": 1, "head_dim": 64}, 1, 0),
    "Llama": ({"family": "llama", "num_hidden_layers": 1}, 2, 0),
    "Llama with biases": ({"family": "llama", "num_hidden_layers": 1, "attention_bias": True}, 1, 0),
    "Llama with scaled positions": (
        {
            "family": "llama",
            "num_hidden_layers": 1,
            "rope_parameters": {"rope_type": "linear", "factor": 4.0, "rope_theta": 1e4},
        },
        1,
        0,
    ),
}


@torch.no_grad()
@pytest.mark.parametrize(("fields", "num_sequences", "num_hidden"), CASES.values(), ids=CASES)
def test_same_as_language_model(monkeypatch, fields, num_sequences, num_hidden):
    monkeypatch.setattr(decode_buffer, "_MORE_TOKENS", 1)  # each second token is for a larger buffer
    model = make_model(**fields)
    answer = Answer(model, num_sequences, 37, num_hidden)
    plain_cache = copy.deepcopy(answer.cache)
    for _ in range(2):
        token = answer.next_token()
        inputs = answer.inputs()
        found = decode_on_gpu(model, token, **inputs)
        assert found[CACHE_NAME] is answer.cache
        wanted = model(inputs_embeds=token, **{**inputs, CACHE_NAME: plain_cache}).last_hidden_state
        torch.testing.assert_close(found.last_hidden_state, wanted, rtol=1e-5, atol=2e-5)
    assert answer.cache.get_seq_length() == 39
    for layer, plain in zip(answer.cache.layers, plain_cache.layers, strict=True):
        torch.testing.assert_close((layer.keys, layer.values), (plain.keys, plain.values), rtol=1e-5, atol=2e-5)


@torch.no_grad()
@pytest.mark.parametrize("num_sequences", [1, 3])
def test_half_precision_is_as_exact_as_the_language_model(num_sequences):
    model = make_model(HALF, num_hidden_layers=1)
    exact_model = copy.deepcopy(model).double()
    errors = {"step": [], "plain": []}
    for length in (20, 21):
        answer = Answer(model, num_sequences, length)
        plain_cache, exact_cache = copy.deepcopy(answer.cache), copy.deepcopy(answer.cache)
        for layer in exact_cache.layers:
            layer.keys, layer.values = layer.keys.double(), layer.values.double()
        token = answer.next_token()
        inputs = answer.inputs()
        exact = exact_model(inputs_embeds=token.double(), **{**inputs, CACHE_NAME: exact_cache}).last_hidden_state
        plain = model(inputs_embeds=token, **{**inputs, CACHE_NAME: plain_cache}).last_hidden_state
        found = decode_on_gpu(model, token, **inputs).last_hidden_state
        assert found.dtype == HALF
        errors["plain"].append(plain - exact)
        errors["step"].append(found - exact)
    step, plain = (torch.cat(errors[name]).square().mean().sqrt() for name in ("step", "plain"))
    assert step < 1.25 * plain


@torch.no_grad()
def test_positions_are_those_given_or_counted():
    model = make_model(num_hidden_layers=1)
    answer = Answer(model, 2, 5)
    token = answer.next_token()
    for position_ids in (None, torch.tensor([[11]], device=DEVICE), torch.tensor([[11], [3]], device=DEVICE)):
        cache, plain_cache = copy.deepcopy(answer.cache), copy.deepcopy(answer.cache)
        found = decode_on_gpu(model, token, position_ids=position_ids, **{CACHE_NAME: cache}).last_hidden_state
        wanted = model(inputs_embeds=token, position_ids=position_ids, **{CACHE_NAME: plain_cache}).last_hidden_state
        torch.testing.assert_close(found, wanted, rtol=1e-5, atol=2e-5)


GUARD = 64  # numbers, so that tensors begin where they are read in vectors


def guarded(tensor):
    """A copy between numbers that would be seen in all results, and these."""
    fill = float("nan") if tensor.is_floating_point() else -(2**62)
    memory = torch.full((tensor.numel() + 2 * GUARD,), fill, dtype=tensor.dtype, device=tensor.device)
    copied = memory[GUARD:-GUARD].view(tensor.shape)
    copied.copy_(tensor)
    return copied, torch.cat([memory[:GUARD], memory[-GUARD:]]), memory


@torch.no_grad()
@pytest.mark.parametrize(("num_sequences", "blocks"), [(1, (32, 64)), (3, (32, 32)), (1, (64, 128))], ids=str)
def test_nothing_is_read_or_written_outside_of_tensors(monkeypatch, blocks, num_sequences):
    """With blocks of which a multiple is no size of the model."""
    for name in ("PROJECT", "GATE", "ADD"):
        monkeypatch.setattr(triton_decode_step, name, (triton_decode_step.Blocks(*blocks, 2, 4),) * 2)
    model = make_model(num_hidden_layers=1, attention_bias=True, family="llama")
    answer = Answer(model, num_sequences, 37)
    token, length = answer.next_token(), 37
    inputs = answer.inputs()
    step = triton_decode_step.StepOnGPU(model, weights_on_gpu(model, token), num_sequences)
    kept = []

    def guard(tensor):
        if tensor is None:
            return None
        kept.append(guarded(tensor))
        return kept[-1][0]

    step._weights = [[guard(weight) for weight in layer] for layer in step._weights]
    names = ("_norm", "_frequencies", "_hidden", "_squares", "_query", "_context", "_inner", "_attended", "_extremes")
    for name in names:
        setattr(step, name, guard(getattr(step, name)))
    layer = answer.cache.layers[0]
    more = layer.keys.new_full((*layer.keys.shape[:2], 3, layer.keys.shape[3]), float("nan"))
    keys, values = (guard(torch.cat([tensor, more], 2)) for tensor in (layer.keys, layer.values))
    mask, positions, embeddings = guard(inputs["attention_mask"]), guard(inputs["position_ids"]), guard(token)
    result = guard(torch.zeros_like(token))
    step(
        triton_decode_step.StepNumbers(
            keys=keys.data_ptr(),
            values=values.data_ptr(),
            capacity=length + 3,
            num_cached=length,
            mask=mask.data_ptr(),
            mask_stride=length + 1,
            positions=positions.data_ptr(),
            position_stride=1,
            embeddings=embeddings.data_ptr(),
            result=result.data_ptr(),
        )
    )
    wanted = model(inputs_embeds=token, **inputs).last_hidden_state
    torch.testing.assert_close(result, wanted, rtol=1e-5, atol=2e-5)
    torch.testing.assert_close(keys[:, :, : length + 1], layer.keys, rtol=1e-5, atol=2e-5)
    assert keys[:, :, length + 1 :].isnan().all() and values[:, :, length + 1 :].isnan().all()
    for _, before, memory in kept:
        now = torch.cat([memory[:GUARD], memory[-GUARD:]])
        assert torch.equal(now.nan_to_num(7.0), before.nan_to_num(7.0))


def test_steps_of_inference_mode_and_outside_of_it():
    model = make_model(num_hidden_layers=1)
    with torch.inference_mode():
        answer = Answer(model, 1, 5)
        decode_on_gpu(model, answer.next_token(), **answer.inputs())
    with torch.no_grad():
        answer = Answer(model, 1, 5)
        assert decode_on_gpu(model, answer.next_token(), **answer.inputs()) is not None


GENERATIONS = {
    "greedy": ({}, 4),
    "sampled": ({"do_sample": True}, 4),
    "beams": ({"num_beams": 2}, 4),
    "logits processors": ({"repetition_penalty": 1.3, "no_repeat_ngram_size": 2}, 4),
    "hidden states": ({"output_hidden_states": True}, 0),
}


@pytest.mark.parametrize(("options", "num_steps"), GENERATIONS.values(), ids=GENERATIONS)
def test_generates_the_same(steps, monkeypatch, options, num_steps):
    text_config = {"num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 32}
    model = tiny_model(tiny_config(text_config=text_config)).to(DEVICE)
    prompts = pad_left(make_prompt(*range(5, 20)), make_prompt(*range(30, 37)))
    options = {**{name: ids.to(DEVICE) for name, ids in prompts.items()}, "max_new_tokens": 5, **options}
    options |= {"output_logits": True, "return_dict_in_generate": True}
    torch.manual_seed(0)
    found = model.generate(**options)
    batch = 2 * options.get("num_beams", 1)
    assert steps == [(batch, 15 + step) for step in range(num_steps)]
    monkeypatch.setattr(gpu_decode_step, "may_decode_on_gpu", lambda *_, **__: False)
    torch.manual_seed(0)
    wanted = model.generate(**options)
    assert torch.equal(found.sequences, wanted.sequences)
    torch.testing.assert_close(torch.stack(found.logits), torch.stack(wanted.logits), rtol=1e-4, atol=1e-4)


def test_guessed_tokens_are_the_language_models(steps, monkeypatch):
    """They come several at a time, and those that were wrong are taken out of the cache."""
    text_config = {"num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 32}
    model = tiny_model(tiny_config(text_config=text_config)).to(DEVICE)
    options = {"max_new_tokens": 7, "prompt_lookup_num_tokens": 3}
    prompt = make_prompt(*range(5, 9), *range(5, 9)).to(DEVICE)
    found = model.generate(prompt, **options)
    assert 0 < len(steps) < 6
    monkeypatch.setattr(gpu_decode_step, "may_decode_on_gpu", lambda *_, **__: False)
    assert torch.equal(found, model.generate(prompt, **options))


CHANGES = {
    "a hook": lambda model: model.layers[0].self_attn.register_forward_hook(lambda *_: None),
    "another layer": lambda model: setattr(model.layers[0].mlp, "up_proj", nn.Sequential(model.layers[0].mlp.up_proj)),
    "training": lambda model: model.train(),
}


@torch.no_grad()
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_model_that_changes_between_two_tokens_runs_itself(change):
    model = make_model(num_hidden_layers=1)
    answer = Answer(model, 1, 5)
    assert decode_on_gpu(model, answer.next_token(), **answer.inputs()) is not None
    before = copy.deepcopy(answer.cache)
    change(model)
    assert decode_on_gpu(model, answer.next_token(), **answer.inputs()) is None
    for layer, old in zip(answer.cache.layers, before.layers, strict=True):
        assert torch.equal(layer.keys, old.keys)


@torch.no_grad()
def test_weights_that_change_between_two_tokens_are_read():
    model = make_model(num_hidden_layers=1)
    answer = Answer(model, 1, 5)
    decode_on_gpu(model, answer.next_token(), **answer.inputs())
    token, plain_cache = answer.next_token(), copy.deepcopy(answer.cache)
    inputs = answer.inputs()
    weight = model.layers[0].mlp.up_proj.weight
    weight.mul_(1.5)  # where it is
    model.layers[0].mlp.down_proj.weight = nn.Parameter(weight.T.contiguous())
    wanted = model(inputs_embeds=token, **{**inputs, CACHE_NAME: plain_cache}).last_hidden_state
    assert decode_on_gpu(model, token, **inputs) is None, "the recording has another weight"
    found = decode_on_gpu(model, token, **inputs).last_hidden_state
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=2e-5)


OTHERS = {
    "two tokens": lambda model: {"inputs_embeds": torch.zeros(1, 2, 48)},
    "float64": lambda model: {"inputs_embeds": torch.zeros(1, 1, 48, dtype=torch.float64)},
    "another dtype than the cache": lambda model: {"inputs_embeds": torch.zeros(1, 1, 48, dtype=HALF)},
    "more sequences than the cache": lambda model: {"inputs_embeds": torch.zeros(2, 1, 48), "attention_mask": None},
    "hidden states": lambda model: {"output_hidden_states": True},
    "a shorter mask": lambda model: {"attention_mask": torch.ones(1, 5, dtype=torch.int64)},
    "a mask of fractions": lambda model: {"attention_mask": torch.full((1, 6), 0.5)},
    "a mask of another shape": lambda model: {"attention_mask": torch.ones(1, 1, 1, 6, dtype=torch.bool)},
    "no cache": lambda model: {CACHE_NAME: None},
    "a cache that is not kept": lambda model: {"use_cache": False},
    "an empty cache": lambda model: {CACHE_NAME: DynamicCache(config=model.config)},
}


@torch.no_grad()
def test_gradients_and_memory_that_runs_out_are_the_language_models(monkeypatch):
    model = make_model(num_hidden_layers=1)
    answer = Answer(model, 1, 5)
    inputs = {"inputs_embeds": answer.next_token(), **answer.inputs()}
    with torch.enable_grad():
        assert decode_on_gpu(model, **inputs) is None
    with monkeypatch.context() as patch:

        def run_out(layers):
            raise torch.OutOfMemoryError("for the buffer")

        patch.setattr(decode_buffer, "CacheBuffer", run_out)
        assert decode_on_gpu(model, **inputs) is None
    assert answer.cache.get_seq_length() == 5
    assert decode_on_gpu(model, **inputs) is not None


@torch.no_grad()
@pytest.mark.parametrize("others", OTHERS.values(), ids=OTHERS)
def test_other_inputs_are_the_language_models(others):
    model = make_model(num_hidden_layers=1)
    answer = Answer(model, 1, 5)
    token = {"inputs_embeds": answer.next_token()}
    usual = {**token, **answer.inputs(), "position_ids": None}
    changed = {
        name: value.to(DEVICE) if isinstance(value, torch.Tensor) else value for name, value in others(model).items()
    }
    assert decode_on_gpu(model, **{**usual, **changed}) is None
