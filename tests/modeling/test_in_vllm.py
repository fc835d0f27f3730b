# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""What vLLM relies on when it runs a model with its own attention; tests/server/test_vllm.py does it with vLLM itself."""

import pytest
import torch
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from tiny_family_models import tiny_mobilevlm, tiny_tinyllava
from tiny_models import tiny_config
from transformers_mvgpt.families import FAMILIES
from transformers_mvgpt.modeling.model_inputs import placeholder_ids


CONFIGS = {
    "Mobile-VideoGPT": tiny_config,
    "MobileVLM": lambda: tiny_mobilevlm("ldp").config,
    "TinyLLaVA-Video": lambda: tiny_tinyllava("group", video_token_id=100).config,
}


@pytest.fixture
def attention_of_vllm(monkeypatch):
    """Under the name that vLLM's has."""
    monkeypatch.setitem(ALL_ATTENTION_FUNCTIONS._global_mapping, "vllm", sdpa_attention_forward)
    return "vllm"


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_token_of_a_placeholder_that_somebody_said(family, attention_of_vllm):
    config = CONFIGS[family.name]()
    model = family.base_model_class(config).eval()
    [token_id, *_] = placeholder_ids(config).values()
    embeds = torch.randn(1, 5, config.text_config.hidden_size)
    with torch.no_grad():
        if token_id < config.text_config.vocab_size:
            embeds[0, 2] = model.get_input_embeddings().weight[token_id]
            with pytest.raises(ValueError, match="1 (video|image) placeholders, but"):
                model(inputs_embeds=embeds, use_cache=False)
        config.text_config._attn_implementation = attention_of_vllm
        hidden = model(inputs_embeds=embeds, use_cache=False, return_dict=False)[0]
    assert hidden.shape == embeds.shape and hidden.isfinite().all()
