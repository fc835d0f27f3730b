# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Where memory runs out, the error names what to lower."""

import pytest
import torch

from chats import WHAT
from transformers_mvgpt.processing.out_of_memory import explain_out_of_memory


ERRORS = {
    "cuda": torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    "cpu": RuntimeError("[enforce fail] . DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."),
    "mps": RuntimeError("MPS backend out of memory (MPS allocated: 9 GB)."),
}


@pytest.mark.parametrize("error", ERRORS.values(), ids=ERRORS)
def test_explained(error):
    with (
        pytest.raises(torch.OutOfMemoryError, match="Lower it. ") as raised,
        explain_out_of_memory(lambda: "Lower it."),
    ):
        raise error
    assert str(error) in str(raised.value)
    assert raised.value.__cause__ is error


def test_other_errors_stay_as_they_are():
    error = RuntimeError("shapes do not match")
    with pytest.raises(RuntimeError) as raised, explain_out_of_memory(lambda: "Lower it."):
        raise error
    assert raised.value is error


@pytest.mark.parametrize(
    "texts, options, advice",
    [
        ([WHAT, WHAT], {"batch_size": 2}, r"2 prompts of [0-9,]+ tokens on cpu: lower `batch_size` \(2\), or load"),
        ([WHAT], {"num_beams": 3}, r"1 prompt of [0-9,]+ tokens on cpu: lower `num_beams` \(3\), or load"),
        ([WHAT], {}, "tokens on cpu: load the model with `dtype=torch.bfloat16` or quantized, or use .* more memory"),
    ],
    ids=["batch", "beams", "one"],
)
def test_pipeline(pipe, monkeypatch, texts, options, advice):
    def fail(**kwargs):
        raise ERRORS["cuda"]

    monkeypatch.setattr(pipe.model, "generate", fail)
    with pytest.raises(torch.OutOfMemoryError, match=f"Out of memory with {'' if options else '1 .*'}{advice}"):
        pipe(text=texts, **options)
