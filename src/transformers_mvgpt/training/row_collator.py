# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Rows to batches for the trainers of other libraries, which know nothing of videos."""

import os
from collections.abc import Mapping
from typing import Any

from ..processing.labeled_inputs import IGNORED
from .collator import DataCollator
from .media_folder import MediaFolder
from .messages import to_messages


class RowCollator:
    """
    Makes batches of rows as [`InstructionDataset`] reads them, with the same ids, pixels and labels as [`DataCollator`], for trainers that
    take rows themselves, such as TRL's `SFTTrainer` and `DPOTrainer`, and transformers' `Trainer`.

    A row with `chosen` and `rejected` beside its `prompt` is a preference. The batch has all chosen answers, and then all rejected ones.

    Args:
        processor ([`ProcessorMixin`]):
            Of the model.
        media_folder (`str`, defaults to the current one):
            What paths of videos and images are relative to, and do not leave.
        media_anywhere (`bool`, defaults to `False`):
            Whether absolute paths, `..` and links may leave that folder.

    Returns:
        `dict[str, torch.Tensor]`: `input_ids` and `attention_mask`, int64 of shape `(batch_size, length)`, padded on the right, and the
        pixels; `labels`, or for preferences `completion_mask`, both of the same shape.

    Raises:
        ValueError: on a row that cannot be used.
    """

    def __init__(
        self,
        processor: Any,
        media_folder: str | os.PathLike = ".",
        media_anywhere: bool = False,
    ):
        self._media = MediaFolder(media_folder, media_anywhere)
        self._collate = DataCollator(processor)

    def __call__(self, rows: list[Mapping[str, Any]]) -> dict[str, Any]:
        are_preferences = "chosen" in rows[0]
        if are_preferences:
            rows = [_completed(row, name) for name in ("chosen", "rejected") for row in rows]
        batch = self._collate([{"messages": to_messages(row, self._media), "name": "a row"} for row in rows])
        # these trainers choose the logits themselves
        del batch["logits_to_keep"], batch["shift_labels"]
        if are_preferences:
            batch["completion_mask"] = (batch.pop("labels") != IGNORED).long()
        return batch


def _completed(row: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A preference, with one of its answers."""
    if row.get("prompt") is None or row.get(name) is None:
        raise ValueError(
            f"A preference must have `prompt`, `chosen` and `rejected`, but it has {', '.join(map(repr, row))}."
        )
    others = {key: value for key, value in row.items() if key not in ("chosen", "rejected")}
    return {**others, "completion": row[name]}
