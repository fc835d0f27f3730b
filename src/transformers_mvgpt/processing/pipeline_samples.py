# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""A sample of the pipeline, a dictionary or a row of a table, brought to a question and its visuals, or to a chat."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from transformers.utils.chat_template_utils import Chat, is_valid_message

from ..video.limits import shorten
from .chat_messages import check_question
from .chat_parts import VideoWithOptions
from .columns import column_to_list, describe_columns, is_missing
from .video_inputs import flatten_videos


# What may hold the question, and what the visuals.
QUESTIONS = ("text", "question", "messages")
VISUALS = ("video", "videos", "image", "images")
SEGMENT = ("start_seconds", "end_seconds")
# transformers' `KeyPairDataset` has two columns under these names.
_PAIR = {"text", "text_pair"}


@dataclass(frozen=True)
class Row:
    """
    A row of a table.

    Args:
        values (`Mapping[str, Any]`): the columns that are looked at: [`QUESTIONS`], [`VISUALS`] and [`SEGMENT`].
        names (`list[str]`): those of all columns.
        question (`str`, *optional*): what is asked about each row, instead of what a column says.
    """

    values: Mapping[str, Any]
    names: list[str]
    question: str | None = None

    @classmethod
    def of(cls, row: Mapping[str, Any], question: str | None = None) -> "Row":
        """Of a whole row."""
        known = {*VISUALS, *SEGMENT, *(QUESTIONS if question is None else ())}
        values = {name: value for name, value in row.items() if name in known and not is_missing(value)}
        return cls(values, list(map(str, row)), question)

    def to_sample(self) -> dict[str, Any]:
        """
        Raises:
            ValueError: if a question or the visuals are missing.
        """
        check_columns(self.names, self.question)
        sample = dict(self.values)
        if self.question is not None:
            sample["text"] = self.question
        if not sample.keys() & set(QUESTIONS):
            [name] = set(self.names) & set(QUESTIONS)
            raise ValueError(
                f"The question is missing: the row has nothing in its column {name!r}. Say what to answer."
            )
        visuals = [name for name in self.names if name in VISUALS]
        if visuals and not sample.keys() & set(visuals):
            raise ValueError(f"The row has nothing in its column {' or '.join(map(repr, visuals))}: leave it out.")
        return sample


def check_columns(names: Collection[str], question: str | None) -> None:
    """
    Raises:
        ValueError: if it is not clear which columns hold question and visuals.
    """
    columns = f"it has {describe_columns(list(names)) or 'none'}"
    questions = [name for name in QUESTIONS if name in names]
    visuals = [name for name in VISUALS if name in names]
    if question is None and not questions:
        raise ValueError(
            f"The table has no column with the question, 'text', 'question' or 'messages', but {columns}: rename one, or pass one question "
            "for all rows as `text`."
        )
    if question is None and len(questions) > 1:
        raise ValueError(
            f"The table has the columns {' and '.join(map(repr, questions))}, and which of them asks is not clear: leave one of them, or pass "
            "one question for all rows as `text`."
        )
    for one in ("video", "image"):
        if one in names and f"{one}s" in names:
            raise ValueError(
                f"The table has the columns '{one}' and '{one}s', of which a row may have one: leave one of them."
            )
    has_others = any(name not in (*QUESTIONS, *SEGMENT) for name in names)
    if not visuals and (question is not None or (questions != ["messages"] and has_others)):
        raise ValueError(
            f"The table has no column with a video or image, 'video', 'videos', 'image' or 'images', but {columns}: rename one."
        )


def parse_sample(sample: Any, modalities: Collection[str]) -> tuple[str | Chat, list[Any], list[Any]]:
    """
    Text, images and videos of a sample; or a chat, in which they stand.

    Args:
        sample: a dictionary, or a chat from a dataset.
        modalities: `"image"`, `"video"` or both, as the model takes them.

    Raises:
        ValueError: if it is something else, or asks nothing.
    """
    if isinstance(sample, Row):
        sample = sample.to_sample()
    if isinstance(sample, (list, tuple)) and sample and is_valid_message(sample[0]):
        sample = Chat(sample)
    if isinstance(sample, Chat):
        return sample, [], []
    names = {*QUESTIONS, *VISUALS, *SEGMENT}
    if isinstance(sample, Mapping):
        visuals = [name for name in VISUALS if name in sample]
        # the question alone would be answered with something made up
        if visuals and all(is_missing(sample[name]) for name in visuals):
            raise ValueError(f"The sample has nothing as {' or '.join(map(repr, visuals))}: leave it out.")
    if isinstance(sample, Mapping) and set(sample) == _PAIR:
        sample = {"text": sample["text"], ("video" if "video" in modalities else "image"): sample["text_pair"]}
    questions = [name for name in QUESTIONS if isinstance(sample, Mapping) and sample.get(name) is not None]
    if len(questions) != 1 or set(sample) - names:
        raise ValueError(
            "A sample must be a chat, or a dictionary with a `text` and maybe `video`, `videos`, `image` or `images`: a "
            f"video or an image needs a question. Got {type(sample).__name__} {shorten(repr(sample))}."
        )
    images = [image for name in ("images", "image") for image in _as_list(sample.get(name))]
    videos = [video for name in ("videos", "video") for video in _videos_of(sample.get(name), name)]
    if segment := {name: sample[name] for name in SEGMENT if sample.get(name) is not None}:
        if not videos:
            raise ValueError(f"{', '.join(map(repr, segment))} of a sample that has no video: leave it out.")
        videos = [VideoWithOptions(video, segment) for video in videos]
    [name] = questions
    question = sample[name]
    if name == "messages":
        return Chat(list(_with_visuals(question, {"image": images, "video": videos}))), [], []
    if not isinstance(question, str):
        raise ValueError(f"A question must be a string, got {type(question).__name__} {shorten(repr(question))}.")
    check_question(question)
    return question, images, videos


def _videos_of(given: Any, name: str) -> list[Any]:
    if given is None:
        return []
    # a list is here the frames of one video, also where they are paths
    return [given] if name == "video" else flatten_videos(given)


def _as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    value = column_to_list(value)
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _with_visuals(messages: Any, visuals: dict[str, list[Any]]) -> Iterator[Any]:
    """The messages, with the next visual of its kind in each part that has the type alone, as datasets keep them in columns beside."""
    if (
        not isinstance(messages, (list, tuple))
        or not messages
        or not all(isinstance(one, Mapping) for one in messages)
    ):
        raise ValueError(
            f"`messages` must be a list of messages, got {type(messages).__name__} {shorten(repr(messages))}."
        )
    waiting = {kind: list(given) for kind, given in visuals.items()}
    for message in messages:
        content = message.get("content")
        if isinstance(content, (list, tuple)):
            message = {**message, "content": [_filled(part, waiting) for part in content]}
        yield message
    for kind, left in waiting.items():
        if left:
            number = len(visuals[kind])
            raise ValueError(
                f"There are {number} {kind}s beside the messages, and {number - len(left)} parts {{'type': '{kind}'}} without a source "
                "in them: there must be as many."
            )


def _filled(part: Any, waiting: dict[str, list[Any]]) -> Any:
    kind = part.get("type") if isinstance(part, Mapping) else None
    if kind not in waiting or not waiting[kind] or any(part.get(key) is not None for key in part if key != "type"):
        return part
    return {"type": kind, kind: waiting[kind].pop(0)}
