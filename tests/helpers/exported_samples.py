# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Tiny models of all families, with the inputs of a prompt with a visual, as transformers' exporters take them."""

import torch
from transformers import PreTrainedModel

from tiny_family_models import tiny_mobilevlm, tiny_tinyllava
from tiny_models import make_sample, tiny_model, with_seeded_weights
from transformers_mvgpt import MobileVLMForConditionalGeneration, TinyLlavaVideoForConditionalGeneration


FAMILIES = ["Mobile-VideoGPT", "MobileVLM", "TinyLLaVA-Video"]


def model_and_sample(family: str) -> tuple[PreTrainedModel, dict[str, torch.Tensor]]:
    if family == "Mobile-VideoGPT":
        return tiny_model(), make_sample(5, "video:a", 6)
    if family == "MobileVLM":
        tiny, model_class = tiny_mobilevlm(), MobileVLMForConditionalGeneration
    else:
        tiny, model_class = tiny_tinyllava(), TinyLlavaVideoForConditionalGeneration
    return with_seeded_weights(model_class(tiny.config)), tiny.sample(5, "c", 6)
