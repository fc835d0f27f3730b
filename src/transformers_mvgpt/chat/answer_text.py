# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The text of an answer as it grows token by token: decoded, ended by stop texts, and given out in pieces."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from transformers.generation import StoppingCriteria
from transformers.generation.streamers import BaseStreamer

from ..processing.vision_language_processor import VisionLanguageProcessor


class AnswerText(BaseStreamer):
    """
    What `generate` gives its tokens to.

    Args:
        processor ([`VisionLanguageProcessor`]): Decodes them.
        stop (`Sequence[str]`): Texts before which the answer ends.
        on_text (`Callable[[str], None]`): Is called with each new piece of the answer. What may be the beginning of a stop text, or of a
            character, waits for the next token.

    Attributes:
        token_ids (`list[int]`): The tokens of the answer.
        text (`str`): What was given out.
        is_stopped (`bool`): Whether a stop text has come.
    """

    def __init__(
        self, processor: VisionLanguageProcessor, stop: Sequence[str], on_text: Callable[[str], None]
    ) -> None:
        self.processor, self.stop, self.on_text = processor, stop, on_text
        self.token_ids: list[int] = []
        self.text = ""
        self.is_stopped = False
        self._has_prompt = False
        self._held_back = ""
        self._is_begun = False
        # text before `read` is out; decoding begins at `context`, as some tokens say a blank only behind others
        self._context = self._read = 0

    def put(self, value: torch.Tensor) -> None:
        if not self._has_prompt:  # the first call has the prompt
            self._has_prompt = True
            return
        self.token_ids += value.flatten().tolist()
        # a character of several tokens is not there yet
        if not self._decode(self._context).endswith("\N{REPLACEMENT CHARACTER}"):
            self._take_new_text()

    def end(self) -> None:
        """Gives out what still waits."""
        self._take_new_text()
        if not self.is_stopped:
            self._give(self._held_back)
        self._held_back = ""

    def whole(self) -> str:
        """
        The answer, decoded at once. It is what was given out, but for bytes that are no characters: what is made of these may depend
        on bytes that come later.
        """
        [text] = self.processor.decode_answers([self.token_ids], skip_special_tokens=True)
        places = [place for place in (text.find(stop) for stop in self.stop) if place >= 0]
        return text[: min(places)] if places else text

    def _decode(self, first: int, last: int | None = None) -> str:
        return self.processor.tokenizer.decode(self.token_ids[first:last], skip_special_tokens=True)

    def _take_new_text(self) -> None:
        new = self._decode(self._context)[len(self._decode(self._context, self._read)) :]
        self._context, self._read = self._read, len(self.token_ids)
        if self.is_stopped or not new:
            return
        if not self._is_begun:
            # what the chat template has written in front of the answer
            new, self._is_begun = new.removeprefix(self.processor.answer_prefix), True
        text = self._held_back + new
        places = [place for place in (text.find(stop) for stop in self.stop) if place >= 0]
        if places:
            self.is_stopped, self._held_back = True, ""
            self._give(text[: min(places)])
            return
        num_held_back = max((_overlap(text, stop) for stop in self.stop), default=0)
        self._held_back = text[len(text) - num_held_back :]
        self._give(text[: len(text) - num_held_back])

    def _give(self, text: str) -> None:
        if text:
            self.text += text
            self.on_text(text)


class StopsWhen(StoppingCriteria):
    """
    Ends an answer when a function says so.

    Attributes:
        has_ended (`bool`): Whether it has said so.
    """

    def __init__(self, is_over: Callable[[], bool]) -> None:
        self.is_over = is_over
        self.has_ended = False

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor, **kwargs: Any) -> torch.BoolTensor:
        self.has_ended = self.is_over()
        return torch.full((len(input_ids),), self.has_ended, dtype=torch.bool, device=input_ids.device)  # type: ignore[return-value]


def _overlap(text: str, stop: str) -> int:
    """Characters at the end of a text with which a stop text may begin."""
    return next((size for size in range(min(len(stop) - 1, len(text)), 0, -1) if text.endswith(stop[:size])), 0)
