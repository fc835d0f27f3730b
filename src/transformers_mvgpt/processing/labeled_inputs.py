# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Model inputs that a trainer puts its labels into: those of placeholders, which nobody could predict, do not count."""

from collections.abc import Iterable
from typing import Any

import torch
from transformers.feature_extraction_utils import BatchFeature


IGNORED = -100  # the loss does not look where this is the label


class LabeledInputs(BatchFeature):
    """
    What a processor returns. Collators of foreign trainers copy its `input_ids` to `labels`, which they leave out where there is padding,
    and put the labels into it. Here those of placeholders are left out too, before a trainer counts how many there are, or computes a
    loss that the model does not see.

    Args:
        data (`dict[str, Any]`): inputs of the model, by name.
        placeholder_ids (`Iterable[int]`): what stands for a visual token in `input_ids`.
    """

    placeholder_ids: tuple[int, ...] = ()

    def __init__(self, data: Any = None, *args: Any, placeholder_ids: Iterable[int] = (), **kwargs: Any) -> None:
        super().__init__(data, *args, **kwargs)
        self.placeholder_ids = tuple(placeholder_ids)

    def __setitem__(self, name: str, value: Any) -> None:
        ids = self.data.get("input_ids")
        if name == "labels" and isinstance(value, torch.Tensor) and isinstance(ids, torch.Tensor):
            value = self._without_placeholders(value, ids)
        super().__setitem__(name, value)

    def _without_placeholders(self, labels: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
        """In place, as whoever holds the labels may go on changing them; unless they are the ids themselves."""
        if labels.shape != ids.shape:
            return labels
        placeholders = torch.isin(ids, torch.tensor(self.placeholder_ids, dtype=ids.dtype, device=ids.device))
        if labels.data_ptr() == ids.data_ptr():
            return labels.masked_fill(placeholders, IGNORED)
        return labels.masked_fill_(placeholders.to(labels.device), IGNORED)


__all__ = ["LabeledInputs"]
