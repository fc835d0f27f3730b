# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""What callers know of the frames that they hand over: `video_metadata`, with an entry for each video."""

from dataclasses import fields
from typing import Any

from transformers.video_utils import VideoMetadata

from ..video.limits import shorten
from .video_inputs import is_source


_KEYS = tuple(field.name for field in fields(VideoMetadata))


def batch_metadata(videos: list[Any], video_metadata: Any) -> list[VideoMetadata | None]:
    """
    An entry for each video, `None` where nothing is said of it, which is an empty dictionary among others. `total_num_frames` is that of
    the frames themselves unless it is given.

    Args:
        videos (`list`): as of [`flatten_videos`].
        video_metadata: what was passed: an entry, a list of them, or lists of those of each prompt.

    Raises:
        ValueError: if there are more or fewer entries than videos, a key is not known, or the video is a file, which says itself what is
            to be known of it.
    """
    if video_metadata is None:
        return [None] * len(videos)
    entries = _flat(video_metadata)
    if len(entries) != len(videos):
        raise ValueError(
            f"Received {len(videos)} videos but {len(entries)} `video_metadata` entries; pass one entry per video."
        )
    return [
        None if entry in (None, {}) else _checked(video, entry) for video, entry in zip(videos, entries, strict=True)
    ]


def _flat(video_metadata: Any) -> list[Any]:
    if isinstance(video_metadata, (list, tuple)):
        return [entry for item in video_metadata for entry in _flat(item)]
    return [video_metadata]


def _checked(video: Any, entry: Any) -> VideoMetadata:
    if is_source(video):
        raise ValueError(
            f"`video_metadata` says what is known of frames, and the video {shorten(video)} is a file, which is read for that: leave the "
            "option out, or pass {} for this video."
        )
    if isinstance(entry, VideoMetadata):
        return entry
    if unknown := [key for key in entry if key not in _KEYS]:
        raise ValueError(
            f"`video_metadata` has the unknown key {shorten(repr(unknown[0]))}: it may have {', '.join(map(repr, _KEYS))}."
        )
    return VideoMetadata(**{"total_num_frames": len(video), **entry})
