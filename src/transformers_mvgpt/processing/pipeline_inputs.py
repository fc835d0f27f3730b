# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The forms in which questions are put to the pipeline, brought to samples: chats, or dictionaries of text and visuals."""

import difflib
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from torch.utils.data import Dataset, IterableDataset, StackDataset

from ..video.limits import shorten
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


def refuse_unknown(names: Collection[str], known: Collection[str]) -> None:
    """
    Raises:
        ValueError: if one of these names of arguments is not known; says which is meant, as far as that can be guessed.
    """
    for name in names:
        if name in known:
            continue
        similar = difflib.get_close_matches(name, known, n=1)
        meant = _OTHER_NAMES.get(name) or (similar[0] if similar else None)
        way_out = f"use `{meant}`" if meant else "options of `generate` and of the processor are taken"
        raise ValueError(f"Unknown argument {shorten(repr(name))}: {way_out}.")


def make_samples(videos: Any, text: Any, images: Any) -> Any:
    """A chat, a dictionary, or a list, generator or dataset of them, from the arguments of a call."""
    if not _is_text(text):
        samples = videos if text is None else text
        if samples is None:
            raise ValueError("A question is missing: pass it as `text`, or pass a chat or a dictionary.")
        if images is not None or (videos is not None and text is not None):
            raise ValueError(
                f"Videos and images need a `text` beside them, a string or a list of strings, got {type(text).__name__}: "
                "those of a chat or a dictionary belong into it."
            )
        if isinstance(samples, Iterator):
            return (sample for sample in samples)  # the only kind of iterator that the base class knows
        return list(samples) if isinstance(samples, tuple) else samples

    # a file object is an iterator as well
    if isinstance(videos, (Iterator, Dataset)) and not is_single_video(videos):
        if not isinstance(text, str) or images is not None:
            raise ValueError("With a generator or dataset of videos, `text` must be one question for all of them.")
        if isinstance(videos, (Iterator, IterableDataset)):
            return ({"video": video, "text": text} for video in videos)
        return StackDataset(video=videos, text=[text] * len(videos))  # type: ignore[arg-type]

    sample = {"video": videos, "image": images, "text": text}
    lists: dict[str, Sequence[Any]] = {}
    if videos is not None and not is_single_video(videos):
        lists["video"] = flatten_videos(videos)
    if isinstance(images, (list, tuple)):
        lists["image"] = images
    if not isinstance(text, str):
        lists["text"] = text
    if not lists:
        return sample
    if len({len(values) for values in lists.values()}) > 1:
        counts = " and ".join(f"{len(values)} {name}s" for name, values in lists.items())
        raise ValueError(f"Lists must be of one length, got {counts}: pass as many of each, or one for all.")
    return [{**sample, **dict(zip(lists, row, strict=True))} for row in zip(*lists.values(), strict=True)]


def parse_sample(sample: Any) -> tuple[str, list[Any], list[Any]]:
    """Text, images and videos of a sample that is no chat."""
    names = {"text", "video", "videos", "image", "images"}
    if not isinstance(sample, Mapping) or not isinstance(sample.get("text"), str) or set(sample) - names:
        raise ValueError(
            "A sample must be a chat, or a dictionary with a `text` and maybe `video`, `videos`, `image` or `images`: a "
            f"video or an image needs a question. Got {type(sample).__name__} {shorten(repr(sample))}."
        )
    images = [image for name in ("images", "image") for image in _as_list(sample.get(name))]
    videos = flatten_videos(sample["videos"]) if sample.get("videos") is not None else []
    return sample["text"], images, videos if sample.get("video") is None else [*videos, sample["video"]]


def _is_text(value: Any) -> bool:
    return isinstance(value, str) or (
        isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value)
    )


def _as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, (list, tuple)) else [value]
