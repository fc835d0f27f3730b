# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Files of questions, and one row as a question."""

import copy
import difflib
import math
import os
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from ..training.media_folder import MediaFolder
from ..training.messages import to_messages, visuals_of
from ..training.row_keys import DESCRIPTIVE_KEYS
from ..training.sources import ArrowSource, open_sources
from ..video.limits import shorten
from .letters import letter_choices
from .options import check_distinct, find_option, lettered_lines, read_options
from .questions import ScoredQuestion


_FORMS = "A row has `video` or `image`, `question`, `answer`, maybe `type` and `options`; or `conversations` or `messages`, as for training."
# What says of which type a question is; the first one that a row has.
_TYPE_KEYS = ("type", "task_type", "task", "category")
_VISUAL_KEYS = ("video", "image")
_SEGMENT_KEYS = ("start_seconds", "end_seconds")
_READ_KEYS = {*_VISUAL_KEYS, "question", "answer", "options", "type", *_SEGMENT_KEYS}
_CHAT_KEYS = {"conversations", "messages"}
# What `mvgpt evaluate --answers` writes: `answer` is the model's there.
RIGHT_ANSWER = "right_answer"
WRITTEN_KEYS = frozenset(
    {RIGHT_ANSWER, "error", "exact", "f1", "contains", "judge", "sampled_frames", "selected_frames", "run", "key"}
)


def read_questions(
    data: Any, media_folder: str | os.PathLike | None = None, media_anywhere: bool = False
) -> list[ScoredQuestion]:
    """
    Reads questions.

    Args:
        data:
            What [`open_sources`] opens: a `.jsonl`, `.json`, `.csv` or `.parquet` file, a folder that `datasets` has saved, a
            `datasets.Dataset`, or a list of these. Rows have the forms that [`question_of_row`] reads.
        media_folder (`str`, *optional*): what paths of videos are relative to, and do not leave; the folder of the file by
            default.
        media_anywhere (`bool`, defaults to `False`): whether absolute paths, `..` and links may leave that folder.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if a row is no question, or names a file outside of the folder, or if there are no questions.
    """
    questions = []
    for source in open_sources(data):
        if isinstance(source, ArrowSource):
            source.dataset = _undecoded(source.dataset)
        media = MediaFolder(source.folder if media_folder is None else media_folder, media_anywhere)
        for index, row in enumerate(source):
            try:
                questions.append(question_of_row(row, media))
            except ValueError as error:
                raise ValueError(f"{source.describe(index)} is not a question: {error}. {_FORMS}") from error
    if not questions:
        raise ValueError(f"{shorten(str(data))} holds no questions.")
    return questions


def _undecoded(dataset: Any) -> Any:
    """The same dataset, whose videos and images stay files: by these, questions about one of them are known, and none is held decoded."""
    for name, feature in dataset.features.items():
        if getattr(feature, "decode", False):
            feature = copy.copy(feature)
            feature.decode = False
            dataset = dataset.cast_column(name, feature)
    return dataset


def question_of_row(row: Any, media: MediaFolder) -> ScoredQuestion:
    """
    Args:
        row:
            `{"video" or "image": ..., "question": ..., "answer": ..., "options": ..., "type": ...}`, the last two if it likes, and for a
            segment of a video `"start_seconds"` and `"end_seconds"`. Options have the forms that [`read_options`] reads; with options,
            the answer is the text, letter or index of one. Other keys are kept, unless they look like one of these with a slip. Or a
            row of training data, in the forms that [`to_messages`] reads: the last turn of the assistant is the right answer, and all
            turns before it are the chat that it is the answer to. Without a type, questions are of the type `"multiple choice"` or
            `"open"`.
        media ([`MediaFolder`]): what paths are relative to.

    Raises:
        ValueError: if it is none of these; says what is wrong.
    """
    if not isinstance(row, Mapping):
        raise ValueError(f"it is of the type {type(row).__name__}, not an object")
    given = {key: value for key, value in row.items() if value is not None}
    is_chat = bool(_CHAT_KEYS & given.keys())
    fields = _fields_of_chat(given, media) if is_chat else _fields_of_question(given, media)
    if not fields["question"].strip():
        raise ValueError("the text of the question is empty")
    if not fields["answer"].strip():
        raise ValueError("the right answer is empty")
    # the question may bring its options itself
    choices = lettered_lines(fields["question"])
    if choices and fields["options"] in ((), choices):
        fields |= letter_choices(choices, fields["answer"])
    check_distinct(fields.get("choices") or fields["options"])
    kind = next((given[key] for key in _TYPE_KEYS if isinstance(given.get(key), (str, int))), None)
    # a type is a line of a table
    kind = " ".join(str("" if kind is None else kind).split())
    if not kind:
        kind = "multiple choice" if fields["options"] else "open"
    read = WRITTEN_KEYS | (
        {"answer", "options", "question", *_CHAT_KEYS} if is_chat else _READ_KEYS - {*_VISUAL_KEYS, *_SEGMENT_KEYS}
    )
    return ScoredQuestion(
        **{"video": None, **fields, "type": kind},
        row={key: value for key, value in given.items() if key not in read},
    )


def _fields_of_question(row: Mapping[str, Any], media: MediaFolder) -> dict[str, Any]:
    for key in row:
        if key not in _READ_KEYS | WRITTEN_KEYS | DESCRIPTIVE_KEYS and (near := _nearest_key(str(key))):
            raise ValueError(
                f"unknown key `{shorten(key)}`, the nearest known one is `{near}`: correct it, or take it out"
            )
    named = [key for key in _VISUAL_KEYS if key in row]
    if len(named) != 1:
        raise ValueError(
            f"{'both `video` and' if named else 'neither `video` nor'} `image`: a question is about one of them"
        )
    [modality] = named
    fields: dict[str, Any] = {modality: media.locate(row[modality], modality)}
    right = RIGHT_ANSWER if RIGHT_ANSWER in row else "answer"
    for key in ("question", right):
        if key not in row:
            raise ValueError(f"no `{key}`")
    fields |= {"question": _text(row["question"], "question"), "options": read_options(row.get("options"))}
    fields |= {key: _seconds(row[key], key) for key in _SEGMENT_KEYS if row.get(key) not in (None, "")}
    answer = _text(row[right], right)
    # as it was given, since a number may be an index
    fields["answer"] = fields["options"][find_option(row[right], fields["options"])] if fields["options"] else answer
    return fields


@lru_cache(maxsize=4096)
def _nearest_key(key: str) -> str | None:
    """The key that this one may be meant for."""
    return next(iter(difflib.get_close_matches(key, _READ_KEYS, n=1, cutoff=0.85)), None)


def _fields_of_chat(row: Mapping[str, Any], media: MediaFolder) -> dict[str, Any]:
    if RIGHT_ANSWER in row and isinstance(row.get("messages"), list):  # as `mvgpt evaluate --answers` has written it
        right = {"role": "assistant", "content": row[RIGHT_ANSWER]}
        row = {**row, "messages": [*row["messages"], right]}
        row = {key: value for key, value in row.items() if key not in ("question", "answer", "options")}
    messages = to_messages({key: value for key, value in row.items() if key not in WRITTEN_KEYS}, media)
    last = messages.pop()
    if last["role"] != "assistant" or not messages or messages[-1]["role"] != "user":
        raise ValueError("it does not end with a question and the assistant's turn that answers it rightly")
    visuals = [(kind, visual) for kind in _VISUAL_KEYS for visual in visuals_of(messages, kind)]
    if len(visuals) != 1:
        raise ValueError(f"it is about {len(visuals)} videos and images: a question is about one")
    [(modality, visual)] = visuals
    chat = tuple(
        {
            **message,
            "content": [part if part["type"] == "text" else {"type": part["type"]} for part in message["content"]],
        }
        for message in messages
    )
    return {
        modality: visual,
        "question": _joined_text(messages[-1]),
        "answer": _joined_text(last).strip(),
        "options": (),
        "chat": chat,
    }


def _joined_text(message: Mapping[str, Any]) -> str:
    return "".join(part["text"] for part in message["content"] if part["type"] == "text")


def _seconds(value: Any, name: str) -> float:
    try:
        seconds = float(_text(value, name))
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise ValueError(f"`{name}` is {shorten(value)!r}, not a number of seconds")
    return seconds


def _text(value: Any, name: str) -> str:
    # a number that is none is an empty cell of a table
    if isinstance(value, bool) or not isinstance(value, (str, int, float)) or value != value:
        raise ValueError(f"`{name}` is {shorten(value)!r}, not a text or number")
    return str(value)
