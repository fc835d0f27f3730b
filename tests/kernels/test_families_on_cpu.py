# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Whole models of all families on CPU: what is compiled stands in for their encoders, prefills and decode steps, and is the same."""

import copy

import pytest
import torch
from transformers import AutoModelForImageTextToText, AutoProcessor

from tiny_families import write_mobilevlm, write_tinyllava
from transformers_mvgpt.demo import CHECKPOINT
from transformers_mvgpt.evaluation.visual_file import VisualFile, default_visual, modality_of
from transformers_mvgpt.kernels import gates
from transformers_mvgpt.kernels.fast_paths import FastPaths


pytest.importorskip("numba")
WRITERS = {"Mobile-VideoGPT": lambda _: CHECKPOINT, "MobileVLM": write_mobilevlm, "TinyLLaVA-Video": write_tinyllava}
NUM_TOKENS = 3


@pytest.fixture(scope="module", params=WRITERS)
def sample(request, tmp_path_factory):
    """A model, and what it gets of a visual and a question."""
    folder = WRITERS[request.param](tmp_path_factory.mktemp("family") / "model")
    model, processor = (
        AutoModelForImageTextToText.from_pretrained(folder).eval(),
        AutoProcessor.from_pretrained(folder),
    )
    visual = VisualFile(model, processor, default_visual(modality_of(model)))
    return model, {"input_ids": visual.prompt(), **visual.pixels()}


@pytest.fixture
def calls(monkeypatch):
    names = []
    for name in ("prefill", "decode_step", "CompiledFunctional"):
        part = getattr(FastPaths, name)
        monkeypatch.setattr(
            FastPaths, name, lambda *args, name=name, part=part, **kwargs: names.append(name) or part(*args, **kwargs)
        )
    return names


@torch.no_grad()
def scores(model, inputs):
    inputs = {name: value.to(model.dtype) if value.is_floating_point() else value for name, value in inputs.items()}
    options = {"max_new_tokens": NUM_TOKENS, "min_new_tokens": NUM_TOKENS, "do_sample": False}
    output = model.generate(**inputs, output_logits=True, return_dict_in_generate=True, **options)
    return torch.stack(output.logits).double()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
def test_all_that_is_compiled_stands_in(sample, dtype, calls, monkeypatch):
    model, inputs = sample
    model = copy.deepcopy(model).to(dtype)
    found = scores(model, inputs)
    assert calls == ["CompiledFunctional", "prefill", *["decode_step"] * (NUM_TOKENS - 1)]
    monkeypatch.setattr(gates, "has_numba", False)
    plain = scores(model, inputs)
    assert len(calls) == NUM_TOKENS + 1
    # in bfloat16 both round, not always to the same side, and may go on with another token
    tolerance, count = (1e-4, NUM_TOKENS) if dtype == torch.float32 else (0.05, 1)
    torch.testing.assert_close(found[:count], plain[:count], rtol=tolerance, atol=tolerance * plain.abs().max().item())
