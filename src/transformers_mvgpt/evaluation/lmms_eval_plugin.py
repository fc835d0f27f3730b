# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""What lmms-eval finds when it looks for models: the entry point of the group `lmms_eval.models`."""

from typing import Any


def manifest() -> Any:
    """
    The `ModelManifest` of `--model mvgpt`. Tasks that generate go to the model for chats; those that compare likelihoods, which
    lmms-eval gives to simple models alone, need `--force_simple`.
    """
    from lmms_eval.models.registry_v2 import ModelManifest

    module = f"{__package__}.lmms_eval_models"
    return ModelManifest(
        model_id="mvgpt",
        simple_class_path=f"{module}.SimpleVisionLanguageModel",
        chat_class_path=f"{module}.ChatVisionLanguageModel",
    )
