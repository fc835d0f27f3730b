# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
transformers 5.23 renamed gradient checkpointing, in methods and arguments, to activation checkpointing.

Remove when transformers 5.22 is no longer supported: `activation_checkpointing` is then the only name.
"""

from transformers import PreTrainedModel


# what the installed transformers calls it; `_enable` and `_kwargs` come behind
CHECKPOINTING = (
    "activation_checkpointing"
    if hasattr(PreTrainedModel, "activation_checkpointing_enable")
    else "gradient_checkpointing"
)


__all__ = ["CHECKPOINTING"]
