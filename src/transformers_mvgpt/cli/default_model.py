# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The model that a command takes where none is named."""

from .terminal_text import write_note


def model_or_default(model: str | None, *, is_quiet: bool = False) -> str:
    """
    The model that is named, or the small one of the package, which stderr then says.

    Args:
        model (`str`, *optional*): What `--model` names.
        is_quiet (`bool`): Whether stderr says nothing.
    """
    if model is not None:
        return model
    from ..demo.package_data import CHECKPOINT

    if not is_quiet:
        write_note(
            "No --model is named: the package's small one answers, which knows drawn clips of colored shapes and nothing else. "
            "For other videos: --model Amshaker/Mobile-VideoGPT-0.5B",
            is_dim=False,
        )
    return str(CHECKPOINT)
