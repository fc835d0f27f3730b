# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""A question about a video or image, and its right answer."""

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal


# What the scores of all questions stand under, beside those of types.
ALL = "all"


@dataclass(frozen=True)
class ScoredQuestion:
    """
    Args:
        video (`str`, *optional*): path or address of the video, if it is about one; or its bytes, or what else the processor takes.
        type (`str`): what kind of question it is; scores are given for each. Not `"all"`.
        question (`str`): its text.
        answer (`str`): the right answer.
        options (`tuple[str, ...]`): the answers between which the question itself lets choose, in its order.
        image (`str`, *optional*): path of the image, if it is about one; or its bytes.
        choices (`tuple[str, ...]`):
            Texts behind the letters, where a letter is asked for: answer and options are letters then.
        chat (`tuple[dict, ...]`):
            The chat that ends with the question, where there is more than the question: messages whose content is a list of parts,
            with one part `{"type": "video"}` or `{"type": "image"}` where the video or image stands.
        start_seconds, end_seconds (`float`, *optional*): the segment of the video that it is about.
        row (`Mapping[str, Any]`): the row of a file that it comes from, without what was read of it here.

    Raises:
        ValueError: if the type is `"all"`.
    """

    video: Any
    type: str
    question: str
    answer: str
    options: tuple[str, ...] = ()
    image: Any = None
    choices: tuple[str, ...] = ()
    chat: tuple[dict[str, Any], ...] = ()
    start_seconds: float | None = None
    end_seconds: float | None = None
    row: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)

    def __post_init__(self) -> None:
        if self.type == ALL:
            raise ValueError(f"the type `{ALL}` is the name of all questions together: give it another one")

    @property
    def modality(self) -> Literal["image", "video"]:
        return "video" if self.image is None else "image"

    @property
    def visual(self) -> Any:
        """The video or image."""
        return self.video if self.image is None else self.image

    @cached_property
    def visual_key(self) -> tuple[str, Any]:
        """Equal for questions about one video or image."""
        visual = self.visual
        if isinstance(visual, bytes):
            return self.modality, hashlib.sha256(visual).hexdigest()
        return self.modality, os.fspath(visual) if isinstance(visual, (str, os.PathLike)) else id(visual)

    @property
    def encoding_key(self) -> tuple[Any, ...]:
        """Equal for questions that a video or image is encoded once for."""
        return *self.visual_key, self.start_seconds, self.end_seconds


def order_by_visual(questions: Sequence[ScoredQuestion]) -> list[int]:
    """
    The places of the questions, those about one video, segment or image behind each other, in the order in which the first of them
    comes.
    """
    groups: dict[tuple[Any, ...], list[int]] = {}
    for place, question in enumerate(questions):
        groups.setdefault(question.encoding_key, []).append(place)
    return [place for group in groups.values() for place in group]
