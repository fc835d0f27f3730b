# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The language model of an exported folder."""

import numpy as np
import pytest

from transformers_mvgpt.runtime import onnx_language_model
from transformers_mvgpt.runtime.onnx_folder import ExportedFolder
from transformers_mvgpt.runtime.onnx_language_model import OnnxLanguageModel
from transformers_mvgpt.runtime.onnx_sessions import OnnxSessions


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_long_prompts_are_read_in_parts(exported_folder, monkeypatch, precision):
    folder = ExportedFolder(exported_folder("mobilevlm"))
    model = OnnxLanguageModel(folder, OnnxSessions(folder, num_threads=1), precision)
    numbers = np.random.default_rng(0)
    rows = [model.embed(numbers.integers(3, folder.vocab_size, length)) for length in (25, 4, 17)]
    runs = []
    monkeypatch.setattr(model, "_run", lambda *inputs, run=model._run: runs.append(inputs[1].shape) or run(*inputs))

    whole, cache = model.extend(None, rows)
    assert runs == [(3, 25, folder.hidden_size)]
    monkeypatch.setattr(onnx_language_model, "_TOKENS_PER_RUN", 7)
    logits, in_parts = model.extend(None, rows)
    assert [shape[1] for shape in runs[1:]] == [7, 7, 7, 4]
    np.testing.assert_allclose(logits, whole, rtol=0, atol=1e-4)
    assert np.array_equal(in_parts.mask, cache.mask)

    # behind what was read
    for token in (5, 6):
        whole, cache = model.step(cache, [token] * 3)
        logits, in_parts = model.step(in_parts, [token] * 3)
        np.testing.assert_allclose(logits, whole, rtol=0, atol=1e-4)
