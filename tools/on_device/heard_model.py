# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The language model of an exported model, listened to: which tokens are chosen, and when. It loads no torch."""

import time
from typing import Any

import numpy as np


class HeardModel:
    """
    Stands in the place of a language model and keeps what goes through it. Answers are greedy, and of one row.

    Args:
        model: with `embed`, `extend` and `step`.

    Attributes:
        prefills, steps (`list[float]`): seconds of each `extend` and `step` since [`clear`].
        first_token_at (`float`): by `time.perf_counter`, when the first of the tokens was known; 0 before.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        self.clear()

    @classmethod
    def of(cls, chat: Any) -> "HeardModel":
        """Opens the language model of an [`OnnxVideoChat`], and listens to it from now on."""
        heard = cls(chat._language_model)
        chat._opened_language_model = heard
        return heard

    @property
    def tokens(self) -> list[int]:
        """Of the last answer: those that went through the model, and the likeliest after them."""
        return [*self._fed, *self._next]

    def clear(self) -> None:
        """Forgets what was heard."""
        self._fed: list[int] = []
        self._next: list[int] = []
        self.prefills: list[float] = []
        self.steps: list[float] = []
        self.first_token_at = 0.0

    def extend(self, *arguments: Any, **options: Any) -> Any:
        """As that of the model. What comes before a question may be put behind a cache on its own: only the last of a prompt counts."""
        begun = time.perf_counter()
        logits, cache = self._model.extend(*arguments, **options)
        self.first_token_at = time.perf_counter()
        self.prefills.append(self.first_token_at - begun)
        self._fed, self._next = [], [int(np.argmax(logits[0]))]
        return logits, cache

    def step(self, cache: Any, token_ids: Any) -> Any:
        """As that of the model."""
        begun = time.perf_counter()
        logits, cache = self._model.step(cache, token_ids)
        self.steps.append(time.perf_counter() - begun)
        self._fed.append(int(token_ids[0]))
        self._next = [int(np.argmax(logits[0]))]
        return logits, cache

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)
