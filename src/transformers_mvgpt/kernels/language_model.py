# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""A language model's own call, with what is faster on CPU where that does the same."""

from typing import Any

from transformers import PreTrainedModel
from transformers.modeling_outputs import BaseModelOutputWithPast

from .decode_step import decode_on_cpu
from .one_row_linear import one_row_products
from .prefill import read_prompt_on_cpu


def run_language_model(
    language_model: PreTrainedModel, last_row_only: bool = False, **inputs: Any
) -> BaseModelOutputWithPast:
    """
    Args:
        language_model (`PreTrainedModel`): without a head.
        last_row_only (`bool`, defaults to `False`): nobody will look at other rows of `last_hidden_state` than the last, so
            that there may be no others.
        inputs: as the language model takes them.
    """
    outputs = decode_on_cpu(language_model, **inputs)
    if outputs is None:
        outputs = read_prompt_on_cpu(language_model, last_row_only=last_row_only, **inputs)
    if outputs is not None:
        return outputs
    with one_row_products(inputs["inputs_embeds"]):
        return language_model(**inputs)
