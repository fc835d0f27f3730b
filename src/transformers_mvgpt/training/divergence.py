# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""What is no longer finite: a loss, a gradient, weights. A run stops at the first."""

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch.distributed.tensor import DTensor

from ..video.limits import shorten


_MOST_NAMES = 16


class DivergedError(ValueError):
    """Training does not go on: its loss, its gradients or its weights are no longer finite."""


class NamedBatches:
    """
    A collator that writes the names of the samples into the batch, as `"names"`.

    Args:
        collator (`Callable`): makes the batch of samples that are mappings with a `"name"`.
    """

    def __init__(self, collator: Any):
        self.collator = collator

    def __call__(self, samples: list[Any]) -> Any:
        batch = self.collator(samples)
        names = [sample.get("name") for sample in samples if isinstance(sample, dict)]
        if names and all(isinstance(name, str) for name in names):
            batch["names"] = names
        return batch

    def __getattr__(self, name: str) -> Any:
        if name == "collator":  # it is not there yet while a worker unpickles this
            raise AttributeError(name)
        return getattr(self.collator, name)


def is_finite(value: torch.Tensor | float | None) -> bool:
    """Of a number, or a tensor of one or many."""
    if value is None:
        return True
    if isinstance(value, torch.Tensor):
        value = value.full_tensor() if isinstance(value, DTensor) else value
        return bool(torch.isfinite(value).all())
    return math.isfinite(value)


def first_not_finite(parameters: Iterable[tuple[str, torch.nn.Parameter]]) -> str | None:
    """The name of the first parameter that learns and has a NaN or infinity; of what is sharded, this process looks at its part."""
    names, finite = [], []
    for name, parameter in parameters:
        if not parameter.requires_grad:
            continue
        tensor = getattr(parameter, "ds_tensor", parameter).detach()  # ZeRO-3 keeps its part there
        tensor = tensor.to_local() if isinstance(tensor, DTensor) else tensor
        names.append(name)
        finite.append(torch.isfinite(tensor).all())
    # one wait for the device, and not one for each parameter
    results = torch.stack(finite).tolist() if finite else []
    return next((name for name, result in zip(names, results, strict=True) if not result), None)


def diverged(what: str, step: int, names: list[str], last_checkpoint: Any, learning_rate: float) -> DivergedError:
    """
    Args:
        what (`str`): what is not finite, as in "the loss is nan".
        step (`int`): of the run, from 1.
        names (`list[str]`): of the samples.
        last_checkpoint (`Path`, *optional*): from before.
        learning_rate (`float`): the highest.
    """
    shown = ", ".join(map(shorten, names[:_MOST_NAMES])) + (
        f" and {len(names) - _MOST_NAMES} more" * (len(names) > _MOST_NAMES)
    )
    return DivergedError(
        f"Training diverged in step {step}: {what}"
        + (f", with {shown}. " if names else ". ")
        + f"No model is written; {f'the last good checkpoint is {last_checkpoint}' if last_checkpoint else 'there is no checkpoint'}. "
        f"Lower `learning_rate` ({learning_rate:g}), raise `warmup_ratio`, compute with `dtype=fp32`, or look at these samples, and "
        "train into another `output`."
    )
