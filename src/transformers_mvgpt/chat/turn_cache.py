# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""What a language model has made of a conversation so far, so that the prefill of a later turn is that of what is new in it."""

import torch
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer


class TurnCache:
    """
    The keys and values of one conversation: of its visual, its questions, and its answers.

        system prompt | visual tokens | question | answer | question | answer
        ----------------------------------------------------
        kept after the first answer; the next prefill begins behind it

    Answers are tokens of the model, and the next prompt has them as text. Where that is not tokenized to the same tokens, the prefill
    begins at the first that differs, so that an answer never depends on what is kept.
    """

    def __init__(self) -> None:
        self._ids: list[int] = []
        self._cache = DynamicCache()
        self._device: torch.device | None = None

    @property
    def num_bytes(self) -> int:
        """What it takes in memory."""
        layers = [layer for layer in self._cache.layers if layer.is_initialized]
        return sum(layer.keys.nbytes + layer.values.nbytes for layer in layers)

    def take(self, input_ids: torch.Tensor, min_length: int) -> DynamicCache | None:
        """
        The keys and values of what a prompt begins with, for `generate` to write to. They are not kept here any longer.

        Args:
            input_ids (`torch.LongTensor` of shape `(1, L)`): The prompt.
            min_length (`int`): With at most so many tokens, there is nothing to gain.

        Returns:
            `DynamicCache` of more than `min_length` and less than L tokens, or `None`.
        """
        ids, cache, device = self._ids, self._cache, self._device
        self.clear()
        prompt = input_ids[0, :-1].tolist()
        pairs = enumerate(zip(ids, prompt, strict=False))
        length = next((place for place, (kept, new) in pairs if kept != new), min(len(ids), len(prompt)))
        if length <= min_length or device != input_ids.device:
            return None
        cache.crop(length - len(ids))
        return cache

    def keep(self, input_ids: torch.Tensor, cache: DynamicCache) -> None:
        """
        Args:
            input_ids (`torch.LongTensor` of shape `(1, L)`): The prompt and its answer.
            cache (`DynamicCache`): Their keys and values; the last tokens may be missing. What cannot be cut at any token is not kept.
        """
        if all(type(layer) is DynamicLayer and len(layer.keys) == 1 for layer in cache.layers):
            self._ids = input_ids[0, : cache.get_seq_length()].tolist()
            self._cache, self._device = cache, input_ids.device

    def clear(self) -> None:
        """Frees the memory."""
        self._ids, self._cache, self._device = [], DynamicCache(), None
