# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
import time

import pytest
import torch

from transformers_mvgpt.evaluation import baselines


CPU = torch.device("cpu")
NARROW = {
    "hidden_size": 16,
    "intermediate_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
}


@pytest.mark.parametrize(
    ("name", "num_parameters"), [("llava-onevision-0.5b", 893_675_552), ("smolvlm2-500m", 507_482_304)]
)
def test_sizes_are_the_published_ones(name, num_parameters):
    with torch.device("meta"):
        model = baselines.BASELINES[name].build()
    assert sum(parameter.numel() for parameter in model.parameters()) == num_parameters


@pytest.mark.parametrize(
    ("name", "num_visual_tokens"), [("llava-onevision-0.5b", 2 * 196 + 1), ("smolvlm2-500m", 2 * 64)]
)
def test_frames_and_prompt_fit(name, num_visual_tokens, monkeypatch):
    """The models refuse placeholders that do not match the visual tokens they make."""
    for config in (baselines._LLAVA_VISION, baselines._SMOL_VISION, baselines._QWEN2_05B, baselines._SMOL_TEXT):
        for key in NARROW.keys() & config.keys():
            monkeypatch.setitem(config, key, NARROW[key])
    frames = torch.zeros(2, 3, 30, 40, dtype=torch.uint8)
    calls = []
    result = baselines.measure_baseline(
        name, frames, 5, CPU, torch.float32, lambda: calls.append(time.sleep(0.01)), runs=3
    )
    assert len(calls) == 4
    assert 0.01 <= result["our_seconds"] < 5
    assert result["num_prompt_tokens"] == num_visual_tokens + 5
    assert 0 < result["seconds"] < 60
    assert 0 < result["num_parameters"] < 5e6


def test_unknown_model_is_refused():
    with pytest.raises(ValueError, match=r"no model 'gpt' to compare with: take 'llava-onevision-0.5b' or 'smolvlm2"):
        baselines.check_baselines(["smolvlm2-500m", "gpt"])
