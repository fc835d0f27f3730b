# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
import copy
import threading

import pytest
import torch
from transformers.generation import BaseStreamer

from tiny_models import make_sample, tiny_model
from transformers_mvgpt.modeling.finite_logits import FiniteLogits, current_logits_check


SAMPLE = make_sample(5, "image:i", 6)
MESSAGE = (
    "The logits of the first token are NaN or infinite, and no answer can be made of them. 1 of the model's {} weights hold "
    "NaN or infinity, such as `lm_head.weight`: take a checkpoint from before its training diverged, or download it again."
)


@pytest.fixture(scope="module")
def model():
    return tiny_model()


@pytest.fixture(scope="module")
def broken():
    model = tiny_model()
    model.lm_head.weight.data[3, 1] = float("nan")
    return model


WAYS = {
    "greedy": {},
    "sampling": {"do_sample": True},
    "beams": {"num_beams": 2},
    "sampled beams": {"num_beams": 2, "do_sample": True},
    "several answers": {"num_return_sequences": 2, "do_sample": True},
    "a static cache": {"cache_implementation": "static", "disable_compile": True},
    "no cache": {"use_cache": False},
    "prompt lookup": {"prompt_lookup_num_tokens": 3},
    "sampled prompt lookup": {"prompt_lookup_num_tokens": 3, "do_sample": True},
    "in chunks": {"prefill_chunk_size": 4},
    "forbidden tokens": {"suppress_tokens": [1, 2], "min_new_tokens": 2, "top_k": 3, "do_sample": True},
}


@pytest.mark.parametrize("options", WAYS.values(), ids=WAYS)
def test_nan_is_no_answer(broken, options):
    streamer = Recorder() if options.get("num_beams") is None and "num_return_sequences" not in options else None
    with pytest.raises(FloatingPointError) as error:
        broken.generate(**SAMPLE, max_new_tokens=4, streamer=streamer, **options)
    assert str(error.value) == MESSAGE.format(len(list(broken.parameters())))
    assert streamer is None or len(streamer.pieces) == 1  # the prompt
    assert current_logits_check() is None


class Recorder(BaseStreamer):
    def __init__(self):
        self.pieces = []

    def put(self, value):
        self.pieces.append(value)

    def end(self):
        pass


def test_a_compiled_model_says_so_too(broken):
    other = copy.deepcopy(broken)
    other.forward = torch.compile(other.forward, backend="eager")
    with pytest.raises(FloatingPointError, match="`lm_head.weight`"):
        other.generate(**SAMPLE, max_new_tokens=4)


def test_one_sample_of_a_batch(model):
    batch = {name: torch.cat([value, value]) for name, value in SAMPLE.items()}
    batch["pixel_values"][1, 0, 0, 0] = float("nan")
    with pytest.raises(FloatingPointError, match="weights are finite: look for NaN in the pixels or embeddings given"):
        model.generate(**batch, max_new_tokens=4)


def test_a_later_token(model, monkeypatch):
    forward, calls = model.lm_head.forward, []

    def overflow_later(hidden_states):
        calls.append(hidden_states)
        return forward(hidden_states) * (float("inf") if len(calls) == 3 else 1)

    monkeypatch.setattr(model.lm_head, "forward", overflow_later)
    with pytest.raises(FloatingPointError, match="of one of the first 3 tokens are NaN"):
        model.generate(**SAMPLE, max_new_tokens=6)


def test_float16_that_overflows(model):
    other = copy.deepcopy(model).half()
    other.model.language_model.norm.weight.data.fill_(6e4)
    with pytest.raises(FloatingPointError, match="float16 has overflowed: load the model in bfloat16 or float32"):
        other.generate(**SAMPLE, max_new_tokens=4)


def test_forbidden_tokens_and_large_numbers_are_no_errors(model):
    options = {"max_new_tokens": 4, "min_new_tokens": 3, "suppress_tokens": [1, 2], "bad_words_ids": [[7]], "top_k": 2}
    model.generate(**SAMPLE, **options, do_sample=True)
    check = FiniteLogits(model)
    huge = torch.full((1, 9), 3e38)
    assert torch.equal(check(None, huge), huge)
    check(None, torch.tensor([[1.0, -float("inf")]]))
    check.finish()
    infinite = float("inf")
    for scores in ([[infinite, -infinite]], [[0.0, 1.0], [-infinite, -infinite]], [[0.0, float("nan")]]):
        with pytest.raises(FloatingPointError, match=r"of one of the first \d tokens"):
            check(None, torch.tensor(scores))


def test_who_wants_invalid_values_removed_gets_an_answer(broken):
    generated = broken.generate(**SAMPLE, max_new_tokens=4, remove_invalid_values=True)
    assert generated.shape[1] == SAMPLE["input_ids"].shape[1] + 4


def test_calls_in_several_threads_do_not_meet(model, broken):
    results = {}

    def run(name, which):
        try:
            results[name] = which.generate(**SAMPLE, max_new_tokens=8)
        except FloatingPointError as error:
            results[name] = error

    threads = [threading.Thread(target=run, args=item) for item in (("whole", model), ("broken", broken)) * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert torch.equal(results["whole"], model.generate(**SAMPLE, max_new_tokens=8))
    assert isinstance(results["broken"], FloatingPointError)


@pytest.mark.needs_cuda
@pytest.mark.parametrize("first_bad", [1, 2, 5, 6])
def test_a_gpu_is_not_waited_for(model, first_bad):
    check = FiniteLogits(model)
    scores = [torch.zeros(2, 9, device="cuda") for _ in range(6)]
    scores[first_bad - 1][1, 3] = float("nan")
    with pytest.raises(FloatingPointError, match="NaN or infinite"):
        for one in scores:
            check(None, one)
            if one is not scores[0]:
                torch.cuda.synchronize()
        check.finish()
