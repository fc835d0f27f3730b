# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""An error that says what to lower where memory runs out."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from transformers import PreTrainedModel


_SIGNS = ("DefaultCPUAllocator: can't allocate memory", "MPS backend out of memory")


@contextmanager
def explain_out_of_memory(explain: Callable[[], str]) -> Iterator[None]:
    """
    Puts an explanation before the message of an allocator, on any device.

    Args:
        explain (`Callable`): returns what did not fit and what to lower, a sentence.

    Raises:
        torch.OutOfMemoryError: where memory runs out. It is a `RuntimeError`, which is what the CPU's allocator raises.
    """
    try:
        yield
    except RuntimeError as error:
        message = str(error)
        if not isinstance(error, torch.OutOfMemoryError) and not any(sign in message for sign in _SIGNS):
            raise
        # the original words stay: accelerate knows by them that a smaller batch may help
        raise torch.OutOfMemoryError(f"{explain()} {message.partition(chr(10))[0]}") from error


def what_to_lower(model: PreTrainedModel, input_ids: torch.Tensor, options: Mapping[str, Any]) -> str:
    """The explanation for prompts `input_ids` (prompts, tokens) with which `model` generates, with these `options`."""
    config = options.get("generation_config") or model.generation_config
    num_prompts, num_tokens = input_ids.shape
    settings = {"batch_size": num_prompts}
    for name in ("num_beams", "num_return_sequences"):
        settings[name] = options.get(name) or getattr(config, name, None) or 1
    ways = [f"lower `{name}` ({value})" for name, value in settings.items() if value > 1]
    if model.dtype == torch.float32:
        ways.append("load the model with `dtype=torch.bfloat16` or quantized")
    return (
        f"Out of memory with {num_prompts} prompt{'s' * (num_prompts > 1)} of {num_tokens:,} tokens on {model.device}: "
        f"{', or '.join([*ways, 'use a device with more memory'])}."
    )
