# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Weights that hold NaN would answer `!!!!`, whatever is asked: `generate` looks at its logits, and raises."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import nn
from transformers import LogitsProcessor


class FiniteLogits(LogitsProcessor):
    """
    Changes no logits, and raises where the highest of a token's is NaN or infinite. It stands before all other processors, so
    that these are the model's own; single ones may be -inf all the same, as a draft model gets it behind those that forbid
    tokens.

    It takes less than a thousandth of a decode step. The highest logit is read at once for the first token and on a CPU. A GPU
    is not waited for: it adds them up, and the sum is looked at when it has come over, at the latest in [`finish`].

    Args:
        model (`nn.Module`): the model that generates, of which an error says what is wrong with it.
    """

    def __init__(self, model: nn.Module):
        self._model = model
        self._num_calls = 0
        self._sum: torch.Tensor | None = None  # on the GPU
        self._arrived: torch.Tensor | None = None  # the same, as the CPU has it

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """
        Args:
            input_ids (`torch.Tensor` of shape `(B, L)`): prompts and answers so far.
            scores (`torch.Tensor` of shape `(B, vocab_size)`, float32): logits of the next token.

        Raises:
            FloatingPointError: if one of them, or on a GPU one of a step before, is NaN or infinite.
        """
        self._num_calls += 1
        highest = scores.amax(-1).sum()  # of all prompts; NaN is higher than any number
        if self._num_calls == 1 or not scores.is_cuda:
            if not math.isfinite(highest.item()):
                self._fail()
            return scores
        if self._sum is None or self._arrived is None:
            self._sum = torch.zeros_like(highest)
            self._arrived = torch.zeros(highest.shape, dtype=highest.dtype, device="cpu", pin_memory=True)
        elif not math.isfinite(self._arrived.item()):
            self._fail()
        self._sum += highest
        self._arrived.copy_(self._sum, non_blocking=True)
        return scores

    def finish(self) -> None:
        """
        Raises:
            FloatingPointError: if logits of any step were NaN or infinite.
        """
        if self._sum is not None and not math.isfinite(self._sum.item()):
            self._fail()

    def _fail(self) -> None:
        where = "of the first token" if self._num_calls == 1 else f"of one of the first {self._num_calls} tokens"
        raise FloatingPointError(
            f"The logits {where} are NaN or infinite, and no answer can be made of them. {_explain(self._model)}"
        )


def _explain(model: nn.Module) -> str:
    """The likely reason, and the way out."""
    weights = {name: tensor for name, tensor in model.named_parameters() if tensor.is_floating_point()}
    damaged = [name for name, tensor in weights.items() if not tensor.is_meta and not tensor.isfinite().all()]
    if damaged:
        return (
            f"{len(damaged)} of the model's {len(weights)} weights hold NaN or infinity, such as `{damaged[0]}`: take a "
            "checkpoint from before its training diverged, or download it again."
        )
    if any(tensor.dtype == torch.float16 for tensor in weights.values()):
        return "float16 has overflowed: load the model in bfloat16 or float32 (`dtype=torch.bfloat16`)."
    return "The weights are finite: look for NaN in the pixels or embeddings given, or load the model in float32."


# Of the call of `generate` that runs here.
_CURRENT: ContextVar[FiniteLogits | None] = ContextVar("finite_logits", default=None)


@contextmanager
def generating(model: nn.Module) -> Iterator[FiniteLogits]:
    """Entered while a model generates. What it gives is to be put before all other processors of logits."""
    check = FiniteLogits(model)
    token = _CURRENT.set(check)
    try:
        yield check
    finally:
        _CURRENT.reset(token)


def current_logits_check() -> FiniteLogits | None:
    """That of the call of `generate` that runs here, if one does."""
    return _CURRENT.get()
