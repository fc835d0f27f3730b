# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
Visual tokens in the place of their placeholders.

Symbols in the shape comments: B prompts, L tokens of a prompt, n visual tokens, h width of the language model.
"""

from collections.abc import Callable

import torch
from transformers.utils import torch_compilable_check

from ..kernels.dispatch import ask


def fill_placeholders(
    inputs_embeds: torch.Tensor,
    placeholders: dict[str, torch.Tensor],
    visual_tokens: dict[str, torch.Tensor | list[torch.Tensor]],
    mismatch_message: Callable[[str, int, int], str],
) -> tuple[torch.Tensor, Callable[[], None]]:
    """
    Args:
        inputs_embeds (`torch.Tensor` of shape `(B, L, h)`): embeddings of prompts.
        placeholders (`dict[str, torch.Tensor]`): by modality, where its placeholders stand, (B, L).
        visual_tokens (`dict[str, torch.Tensor]`): by modality, those of all its images or videos, (videos, tokens, h) or a list.
        mismatch_message (`Callable`): what to say of a modality's numbers of placeholders and visual tokens.

    Returns:
        `tuple[torch.Tensor, Callable]`: the embeddings with visual tokens, and a function that raises a `ValueError` if there were
        not as many placeholders. On a GPU, without gradients, this is read when it is called; elsewhere it is raised at once.
    """
    tokens = {
        modality: _joined(given).to(inputs_embeds.device, inputs_embeds.dtype)
        for modality, given in visual_tokens.items()
    }
    num_tokens = {modality: tokens[modality].shape[0] if modality in tokens else 0 for modality in placeholders}

    def check(modality: str, num_placeholders: torch.Tensor | int) -> None:
        torch_compilable_check(
            num_placeholders == num_tokens[modality],
            lambda: mismatch_message(modality, int(num_placeholders), num_tokens[modality]),
        )

    if not _may_read_late(inputs_embeds):
        for modality, mask in placeholders.items():
            check(modality, mask.sum())
            if num_tokens[modality]:
                inputs_embeds = inputs_embeds.masked_scatter(mask[..., None], tokens[modality])
        return inputs_embeds, lambda: None

    counts = []
    for modality, mask in placeholders.items():
        count = mask.flatten().cumsum(0)  # (B * L,), of those up to each token
        counts.append(count[-1])
        if num := num_tokens[modality]:
            rows = tokens[modality].index_select(0, (count - 1).clamp_(0, num - 1))  # (B * L, h)
            inputs_embeds = torch.where(mask[..., None], rows.view_as(inputs_embeds), inputs_embeds)
    answer = ask(torch.stack(counts)) if counts else None

    def check_all() -> None:
        if answer is not None:
            for modality, num_placeholders in zip(placeholders, answer.read(), strict=True):
                check(modality, num_placeholders)

    return inputs_embeds, check_all


def _joined(visual_tokens: torch.Tensor | list[torch.Tensor]) -> torch.Tensor:
    """(n, h)"""
    return visual_tokens.flatten(0, -2) if isinstance(visual_tokens, torch.Tensor) else torch.cat(visual_tokens)


def _may_read_late(inputs_embeds: torch.Tensor) -> bool:
    return (
        inputs_embeds.is_cuda
        and type(inputs_embeds) is torch.Tensor
        and inputs_embeds.numel() > 0
        and not torch.is_grad_enabled()
        and not torch.compiler.is_compiling()
    )
