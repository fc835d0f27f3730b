# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Makes the families known to vLLM, which finds this in the entry points of the package."""

import importlib
import logging

from .families import FAMILIES
from .registration import register_all


# vLLM's class that runs a model of transformers with vLLM's own attention, and its way to the encoders and the processor
_BACKEND = "vllm.model_executor.models.transformers:TransformersMultiModalForCausalLM"


def register_for_vllm() -> None:
    """
    Registers all families with transformers and with vLLM, which calls this in each of its processes. An exported repository does
    without it (`--trust-remote-code`); a native folder has no code, and vLLM looks for its model nowhere else.
    """
    register_all()
    try:
        registry = importlib.import_module("vllm").ModelRegistry
    except (ImportError, AttributeError) as error:
        # serving other models must go on
        logging.getLogger(__name__).warning("vLLM does not know the models of transformers-mvgpt: %s", error)
        return
    for family in FAMILIES:
        registry.register_model(family.model_class.__name__, _BACKEND)
