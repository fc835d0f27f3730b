# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Gradient checkpointing, under the name that the installed transformers has for it."""

from typing import Any

from transformers import PreTrainedModel

from transformers_mvgpt.compat.checkpointing_name import CHECKPOINTING


def enable_checkpointing(model: PreTrainedModel, **options: Any) -> None:
    """Activations are computed twice instead of kept. Options are those of `torch.utils.checkpoint`."""
    given = {f"{CHECKPOINTING}_kwargs": options} if options else {}
    getattr(model, f"{CHECKPOINTING}_enable")(**given)
