# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Many questions about one visual in one sequence, each answered as if it were the only one."""

from collections.abc import Hashable
from typing import Any

import numpy as np
import torch
from torch.nn.utils.rnn import pad_sequence

from transformers_mvgpt.training import DataCollator
from transformers_mvgpt.training.chat_encoding import IGNORED, encode_chats, placeholder_ids


_PADDING = -1


class SideBySideCollator:
    r"""
    Makes batches in which the system prompt and the visual stand once, and all questions after them. A question sees what
    stands before all of them, and nothing of the others: in the turns of one chat, an answer could be copied from an
    earlier one, and nobody asks the twelfth question first.

        sees         visual | question 1, answer | question 2, answer
        visual          x
        question 1      x             x
        question 2      x                                  x
        positions     0 ... v    v+1 ...              v+1 ...

    Args:
        processor ([`ProcessorMixin`]): of the model.

    Returns:
        `dict[str, torch.Tensor]`: as of [`DataCollator`], but `attention_mask` is bool of shape `(batch_size, 1, length,
        length)`; and `position_ids`, int64 of shape `(batch_size, length)`.
    """

    def __init__(self, processor: Any):
        self.processor = processor
        self.collate = DataCollator(processor)
        # templates are slow, and the same few thousand chats come again and again about other visuals
        self._encoded: dict[Hashable, Any] = {}

    def __call__(self, samples: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        """Takes samples with `chats`: several with the same visual, each a question and its answer."""
        columns: dict[str, list[torch.Tensor]] = {"input_ids": [], "labels": [], "position_ids": [], "parts": []}
        for sample in samples:
            sequence = self._join(self._encode(sample["chats"]))
            for name, values in sequence.items():
                columns[name].append(values)
        fill = {
            "input_ids": self.processor.tokenizer.pad_token_id,
            "labels": IGNORED,
            "position_ids": 0,
            "parts": _PADDING,
        }
        batch = {
            name: pad_sequence(some, batch_first=True, padding_value=fill[name]) for name, some in columns.items()
        }
        batch["attention_mask"] = _mask(batch.pop("parts"))
        following = batch["labels"][:, 1:]
        kept = (following != IGNORED).any(0).nonzero().flatten()
        batch |= {"logits_to_keep": kept, "shift_labels": following[:, kept].contiguous()}
        first_chats = self.collate([{"messages": sample["chats"][0]} for sample in samples])
        return {**batch, **{name: value for name, value in first_chats.items() if "pixel" in name}}

    def _encode(self, chats: list[Any]) -> list[tuple[np.ndarray, np.ndarray]]:
        """As [`encode_chats`], but each text only once."""
        keys = [_text_of(chat) for chat in chats]
        unknown = {key: chat for key, chat in zip(keys, chats, strict=True) if key not in self._encoded}
        self._encoded.update(zip(unknown, encode_chats(self.processor, list(unknown.values())), strict=True))
        return [self._encoded[key] for key in keys]

    def _join(self, chats: list[Any]) -> dict[str, torch.Tensor]:
        """One sequence of encoded chats. `parts` is 0 for what they share and numbers the questions from 1."""
        first_ids = torch.from_numpy(chats[0][0])
        visual_ids = torch.tensor([*placeholder_ids(self.processor).values()])
        shared = int(torch.isin(first_ids, visual_ids).nonzero()[-1]) + 1
        pieces = {
            "input_ids": [first_ids[:shared]],
            "labels": [torch.full((shared,), IGNORED)],
            "position_ids": [torch.arange(shared)],
            "parts": [torch.zeros(shared, dtype=torch.long)],
        }
        for number, (ids, labels) in enumerate(chats, start=1):
            pieces["input_ids"].append(torch.from_numpy(ids[shared:]))
            pieces["labels"].append(torch.from_numpy(labels[shared:]))
            pieces["position_ids"].append(torch.arange(shared, len(ids)))
            pieces["parts"].append(torch.full((len(ids) - shared,), number))
        return {name: torch.cat(values) for name, values in pieces.items()}


def _text_of(chat: list[dict[str, Any]]) -> Hashable:
    """Of a chat all but its visuals, of which it says where they stand."""
    return tuple((turn["role"], part["type"], part.get("text")) for turn in chat for part in turn["content"])


def _mask(parts: torch.Tensor) -> torch.Tensor:
    """Parts (batch, length) -> who sees whom (batch, 1, length, length)."""
    length = parts.shape[1]
    is_earlier = torch.ones(length, length, dtype=torch.bool).tril()
    seeing, seen = parts[:, :, None], parts[:, None, :]
    return (is_earlier & ((seen == 0) | (seen == seeing)))[:, None]
