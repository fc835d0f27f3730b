# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The turns of a conversation. Nothing here needs torch: exported models have conversations too."""

from collections.abc import Callable, Iterator
from typing import Any, Literal


class ContextFullError(ValueError):
    """The context of the language model has no room for another turn."""


class Turns:
    """
    Questions that have an answer, in their order.

    Args:
        system_prompt (`str`, *optional*): The chat's first message, instead of the chat template's own.
        sees_earlier_turns (`bool`, defaults to `True`): Whether the model sees them with the next question.

    Attributes:
        finish_reason (`str`, *optional*):
            How the last answer ended: `"stop"`; `"length"` or `"context"` where it was cut off, as it had `max_new_tokens` or there was no
            more room; or `"cancelled"`.
    """

    def __init__(self, *, system_prompt: str | None = None, sees_earlier_turns: bool = True) -> None:
        self.system_prompt = system_prompt
        self.sees_earlier_turns = sees_earlier_turns
        self.finish_reason: Literal["stop", "length", "context", "cancelled"] | None = None
        self._turns: list[tuple[str, str]] = []

    @property
    def messages(self) -> list[dict[str, Any]]:
        """The chat so far, as new dictionaries with `role` and `content`. The visual is not in it."""
        messages = self._first_messages()
        for question, answer in self._turns:
            messages += [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
        return messages

    @property
    def num_turns(self) -> int:
        """Questions that have an answer."""
        return len(self._turns)

    def reset(self) -> None:
        """Begins anew, with the same visual."""
        self._turns, self.finish_reason = [], None

    def stream(self, question: str, *, is_cancelled: Callable[[], bool], **options: Any) -> Iterator[str]:
        """Answers a question in pieces, and makes a turn of both."""
        raise NotImplementedError

    def _first_messages(self) -> list[dict[str, Any]]:
        return [] if self.system_prompt is None else [{"role": "system", "content": self.system_prompt}]

    def _chat_with(self, question: str) -> list[dict[str, Any]]:
        """What the model sees with a question."""
        earlier = self.messages if self.sees_earlier_turns else self._first_messages()
        return [*earlier, {"role": "user", "content": question}]

    def _add(self, question: str, answer: str) -> None:
        # of a question that was stopped before anything came, nothing stays
        if answer or self.finish_reason != "cancelled":
            self._turns.append((question, answer))
