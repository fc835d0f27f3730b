# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The forms in which questions are put to the pipeline, brought to samples: chats, or dictionaries of text and visuals."""

import difflib
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from torch.utils.data import Dataset, IterableDataset, StackDataset
from transformers.utils.chat_template_utils import Chat, is_valid_message

from ..video.limits import shorten
from .columns import column_to_list, is_lazy_column, is_missing, is_table, open_table
from .option_types import NOT_FOR_IMAGES, VIDEO_OPTIONS
from .pipeline_samples import VISUALS, Row, check_columns
from .video_inputs import flatten_videos, is_single_video


# What people call the arguments of a call, and what they are called.
_OTHER_NAMES = {
    **dict.fromkeys(
        ("question", "questions", "prompt", "prompts", "texts", "query", "message", "messages", "chat"), "text"
    ),
    **dict.fromkeys(("video", "video_path", "path", "url", "file", "films"), "videos"),
    **dict.fromkeys(("image", "picture", "pictures"), "images"),
    **dict.fromkeys(("start", "video_start", "start_time"), "start_seconds"),
    **dict.fromkeys(("end", "video_end", "end_time"), "end_seconds"),
    **dict.fromkeys(("nframes", "frames", "max_frames"), "num_frames"),
    "max_tokens": "max_new_tokens",
}


def refuse_unknown(names: Collection[str], known: Collection[str], takes_videos: bool = True) -> None:
    """
    Args:
        names, known: names of arguments that are given, and of those that there are.
        takes_videos (`bool`, defaults to `True`): whether options for videos would be among the latter.

    Raises:
        ValueError: if one of these names of arguments is not known; says which is meant, as far as that can be guessed.
    """
    for name in names:
        if name in known:
            continue
        similar = [] if name in VIDEO_OPTIONS else difflib.get_close_matches(name, known, n=1)
        meant = _OTHER_NAMES.get(name) or (similar[0] if similar else None)
        way_out = f"use `{meant}`" if meant else "options of `generate` and of the processor are taken"
        if not takes_videos and VIDEO_OPTIONS & {name, meant}:
            way_out = NOT_FOR_IMAGES
        raise ValueError(f"Unknown argument {shorten(repr(name))}: {way_out}.")


def make_samples(videos: Any, text: Any, images: Any, skips_errors: bool = False) -> Any:
    """
    A chat, a dictionary, a [`Row`], or a list, generator or dataset of them, from the arguments of a call.

    Args:
        videos, text, images: as of the pipeline.
        skips_errors (`bool`, defaults to `False`): whether one of several videos may be none, which is said when it is prepared.
    """
    if any(map(is_table, (videos, text))) or _is_splits(videos):
        return _rows_of(*((text, None) if is_table(text) else (videos, text)), images)
    text, images = column_to_list(text), column_to_list(images)
    if videos is not None and is_lazy_column(text):
        text = list(text)  # questions are short
    if not _is_text(text):
        samples = column_to_list(videos) if text is None else text
        if samples is None:
            raise ValueError("A question is missing: pass it as `text`, or pass a chat or a dictionary.")
        if images is not None or (videos is not None and text is not None):
            raise ValueError(
                f"Videos and images need a `text` beside them, a string or a list of strings, got {type(text).__name__}: "
                "those of a chat or a dictionary belong into it."
            )
        if is_lazy_column(samples):
            samples = _lazy(samples)
        if isinstance(samples, Iterator):
            return (_as_chat(sample) for sample in samples)  # the only kind of iterator that the base class knows
        if isinstance(samples, tuple):
            samples = list(samples)
        return list(map(_as_chat, samples)) if isinstance(samples, list) else samples

    if is_lazy_column(videos):
        videos = _lazy(videos)
    # a file object is an iterator as well
    if isinstance(videos, (Iterator, Dataset)) and not is_single_video(videos):
        is_sized = not isinstance(videos, (Iterator, IterableDataset))
        if images is not None or not (isinstance(text, str) or (is_sized and len(text) == len(videos))):  # type: ignore[arg-type]
            or_each = f", or a list of {len(videos)}, one for each" if is_sized else ""  # type: ignore[arg-type]
            raise ValueError(
                f"With a generator or dataset of videos, `text` must be one question for all of them{or_each}, and `images` left out."
            )
        if not is_sized:
            return ({"video": video, "text": text} for video in videos)  # type: ignore[union-attr]
        return StackDataset(video=videos, text=[text] * len(videos) if isinstance(text, str) else text)  # type: ignore[arg-type]

    videos = column_to_list(videos)
    given = {"video": videos, "image": images, "text": text}
    # what is not there is left out: in a sample it would be missing
    sample = {name: value for name, value in given.items() if value is not None}
    lists: dict[str, Sequence[Any]] = {}
    if videos is not None and not is_single_video(videos):
        lists["video"] = _each_video(videos, skips_errors)
    if isinstance(images, (list, tuple)):
        lists["image"] = images
    if not isinstance(text, str):
        lists["text"] = text
    if not lists:
        return sample
    if len({len(values) for values in lists.values()}) > 1:
        counts = " and ".join(f"{len(values)} {name}s" for name, values in lists.items())
        raise ValueError(f"Lists must be of one length, got {counts}: pass as many of each, or one for all.")
    return [_sample_of(sample, dict(zip(lists, row, strict=True))) for row in zip(*lists.values(), strict=True)]


def _sample_of(shared: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """A sample of what is the same for all and what it has of lists. Without one of its visuals it has none, and is an error."""
    missing = {name: None for name in own if name in VISUALS and is_missing(own[name])}
    return {"text": own.get("text", shared.get("text")), **missing} if missing else {**shared, **own}


def _as_chat(sample: Any) -> Any:
    """A chat as one, which tells it from other samples beside it: the base class looks at the first sample alone."""
    is_chat = isinstance(sample, (list, tuple)) and len(sample) > 0 and is_valid_message(sample[0])
    return Chat(sample) if is_chat else sample


def _rows_of(table: Any, text: Any, images: Any) -> Any:
    """The rows of a table, with one question for all of them or their own."""
    if images is not None or not (text is None or isinstance(text, str)):
        raise ValueError(
            "With a table, `text` must be one question for all of its rows, and their images are in a column 'image' or 'images': leave out "
            "what else is passed."
        )
    names, rows = open_table(table)
    if names is not None:
        check_columns(names, text)
    if isinstance(rows, list):
        return [Row.of(values, text) for values in rows]
    return (Row.of(values, text) for values in rows) if isinstance(rows, Iterator) else _Rows(rows, text)


class _Rows(Dataset):
    def __init__(self, rows: Any, question: str | None) -> None:
        self.rows, self.question = rows, question

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Row:
        return Row.of(self.rows[index], self.question)


class _Items(Dataset):
    """A column that reads a value when it is asked for it."""

    def __init__(self, values: Any) -> None:
        self.values = values

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, index: int) -> Any:
        return self.values[index]


def _lazy(column: Any) -> Any:
    return _Items(column) if hasattr(column, "__len__") else iter(column)


def _is_splits(value: Any) -> bool:
    """Whether it is several datasets by their names."""
    return isinstance(value, Mapping) and bool(value) and all(map(is_table, value.values()))


def _each_video(videos: Any, skips_errors: bool) -> list[Any]:
    try:
        return flatten_videos(videos)
    except ValueError:
        # one of them is none, which is said of its sample
        if skips_errors and isinstance(videos, (list, tuple)):
            return list(videos)
        raise


def _is_text(value: Any) -> bool:
    """Whether it is a text, or texts, some of which may be missing."""
    if isinstance(value, (list, tuple)):
        return all(isinstance(item, str) or is_missing(item) for item in value)
    return isinstance(value, str)
