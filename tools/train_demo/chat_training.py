# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""A language model from nothing, with the projectors through which it sees, on many questions about each drawn visual."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import islice
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

from transformers_mvgpt.modeling.vision_language_model import VisionLanguageForConditionalGeneration

from .muon import Optimizers
from .side_by_side import SideBySideCollator
from .threads import NUM_SHARDS, backward_in_threads, split_rows


# Fresh weights of transformers' usual size, 0.02, are too faint for a model this narrow: it is slow to find anything.
_WEIGHT_SCALE = 0.08
_RESIDUAL_SHARE = 0.5


def train_on_chats(
    model: VisionLanguageForConditionalGeneration,
    processor: Any,
    dataset: Dataset,
    phases: Sequence[int],
    *,
    batch_size: int = 8,
    num_workers: int = 1,
    is_fresh: bool = True,
) -> Iterator[dict[str, float]]:
    """
    Trains the language model, its head and the projectors in place; the encoders stay as they are.

    Args:
        model ([`VisionLanguageForConditionalGeneration`]): the model.
        processor ([`ProcessorMixin`]): its processor.
        dataset (`Dataset`): samples as for [`SideBySideCollator`], as many as all steps need.
        phases (`Sequence[int]`): steps of each phase, which has a schedule of its own.
        batch_size (`int`): visuals per step, each with all its questions.
        num_workers (`int`): processes that draw.
        is_fresh (`bool`, defaults to `True`): whether the language model gets other fresh weights first, by [`strengthen`].

    Yields:
        `dict[str, float]`: after each step, its number, the loss, and the share of answers' tokens that are right.
    """
    learning = [model.get_submodule(f"model.{name}") for name in ("language_model", *model.projectors)]
    encoders = [model.get_submodule(f"model.{encoder.module}") for encoder in model.encoders.values()]
    if is_fresh:
        strengthen(model.get_submodule("model.language_model"))
    loader = DataLoader(
        dataset,
        batch_size,
        num_workers=num_workers,
        collate_fn=SideBySideCollator(processor),
        prefetch_factor=4 if num_workers else None,
    )
    batches = iter(loader)
    step = 0
    model.train()
    with kept_fixed(encoders):
        for num_steps in phases:
            optimizers = Optimizers(
                learning, num_steps, learning_rate=2e-3, muon_learning_rate=3e-3, heads=[model.lm_head]
            )
            for batch in islice(batches, num_steps):
                step += 1
                num_wanted = (batch["shift_labels"] >= 0).sum()
                shards = split_rows(batch, NUM_SHARDS, shared=["logits_to_keep"])
                judge = partial(_judge, model, num_wanted)
                loss, num_right = backward_in_threads(judge, shards, optimizers.parameters)
                optimizers.step()
                yield {"step": step, "loss": loss.item(), "accuracy": (sum(num_right) / num_wanted).item()}
    model.eval()


@contextmanager
def kept_fixed(modules: Iterable[nn.Module]) -> Iterator[None]:
    """Their parameters need no gradients meanwhile."""
    learning = [parameter for module in modules for parameter in module.parameters() if parameter.requires_grad]
    for parameter in learning:
        parameter.requires_grad_(False)
    yield
    for parameter in learning:
        parameter.requires_grad_(True)


def _judge(
    model: VisionLanguageForConditionalGeneration, num_wanted: torch.Tensor, batch: dict[str, torch.Tensor]
) -> tuple[torch.Tensor, torch.Tensor]:
    """The loss over `num_wanted` answers' tokens, of which these are some; and how many of these are right."""
    outputs = model(**batch, num_items_in_batch=num_wanted)
    return outputs.loss, (outputs.logits.argmax(-1) == batch["shift_labels"]).sum()


@torch.no_grad()
def strengthen(language_model: nn.Module) -> None:
    """
    Larger fresh weights; and keys like queries, so that from the start a word attends to what is like it ("Mimetic
    initialization", Trockman and Kolter, 2023).
    """
    for part in language_model.modules():
        if isinstance(part, nn.Linear | nn.Embedding):
            nn.init.normal_(part.weight, std=_WEIGHT_SCALE)
    for layer in language_model.layers:
        layer.self_attn.k_proj.weight.copy_(layer.self_attn.q_proj.weight)
        layer.self_attn.o_proj.weight.mul_(_RESIDUAL_SHARE)
        layer.mlp.down_proj.weight.mul_(_RESIDUAL_SHARE)
