# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Labels of visual tokens, which nobody could predict, are left out of the loss."""

from collections.abc import Iterable

import torch


IGNORED = -100


def ignore_placeholders(
    labels: torch.Tensor,
    input_ids: torch.Tensor | None,
    placeholder_ids: Iterable[int],
    num_items: torch.Tensor | int | None,
) -> tuple[torch.Tensor, torch.Tensor | int | None]:
    """
    Args:
        labels (`torch.Tensor` of shape `(B, L)`): ids to predict, or -100.
        input_ids (`torch.Tensor` of shape `(B, L)`, *optional*): the prompts.
        placeholder_ids (`Iterable[int]`): what stands for a visual token in them.
        num_items (`torch.Tensor` or `int`, *optional*):
            What the loss is divided by: how many labels count in all batches of a training step, as it was counted before.

    Returns:
        `tuple[torch.Tensor, torch.Tensor | int | None]`: both without the labels of placeholders. Of other batches of the step
        it is not known how many labels they lose: the same share is assumed, so that the batches keep their weights.
    """
    is_placeholder = torch.zeros_like(labels, dtype=torch.bool)
    for token_id in placeholder_ids:
        is_placeholder |= labels == token_id
        if input_ids is not None and input_ids.shape == labels.shape:
            is_placeholder |= input_ids.to(labels.device) == token_id
    kept = labels.masked_fill(is_placeholder, IGNORED)
    if num_items is not None:
        # the first label has no token before it, and is not counted
        before, after = ((ids[..., 1:] != IGNORED).sum().clamp(min=1) for ids in (labels, kept))
        num_items = num_items * (after / before)
    return kept, num_items
