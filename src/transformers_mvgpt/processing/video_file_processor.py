# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Videos from files to pixels: what the video processors of all families do."""

import os
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F
from transformers.feature_extraction_utils import BatchFeature
from transformers.processing_utils import Unpack, VideosKwargs
from transformers.video_processing_utils import BaseVideoProcessor
from transformers.video_utils import VideoMetadata, make_batched_metadata

from ..video.video_decoding import decode_video
from ..video.video_metadata import describe_given_frames
from .option_types import checked_options
from .saved_with_code import SavedWithCode
from .video_inputs import channel_layout, flatten_videos, frames_to_array, is_source


class VideoSegmentKwargs(VideosKwargs, total=False):
    r"""
    start_seconds, end_seconds (`float`, *optional*):
        Segment of the video to look at, in seconds on the clock of its container, as players show them; the whole video where they are
        not given.
    sampling (`str`, *optional*):
        `"frames"`, the published rule, counts frames: of a video of variable rate most come from where frames are dense. `"time"`
        spreads them over time. They differ only at variable rates.
    video_backend (`str`, *optional*):
        Decoder for files: `"pyav"`, `"torchcodec"`, `"opencv"` or `"decord"`; the first of these that is installed if not
        given.
    """

    start_seconds: float | int | None
    end_seconds: float | int | None
    sampling: str | None
    video_backend: str | None


class VideoFileProcessor(SavedWithCode, BaseVideoProcessor):
    """
    Reads the frames that `sample_frames` chooses, of videos in any form, and makes pixels of them. A family has
    `sample_frames` and `_preprocess`. Sampled videos that are shorter than `num_frames` are followed by zero frames, and so
    are the shorter ones of a batch.
    """

    valid_kwargs = VideoSegmentKwargs
    do_sample_frames = True
    start_seconds = None
    end_seconds = None
    sampling = "frames"
    video_backend = None

    def preprocess(self, videos: Any, **kwargs: Unpack[VideoSegmentKwargs]) -> BatchFeature:
        r"""
        Args:
            videos:
                Videos in any form that [`flatten_videos`] takes.

        Raises:
            ValueError: on an unknown option, on a video that cannot be read, has no frames or does not fit the options.
            FileNotFoundError: if a file does not exist.
            ImportError: if no decoder is installed.
        """
        unknown = sorted(set(kwargs) - set(self.valid_kwargs.__annotations__))
        if unknown:
            raise ValueError(
                f"Unknown option {', '.join(map(repr, unknown))}; the options of {type(self).__name__} are "
                f"{', '.join(sorted(self.valid_kwargs.__annotations__))}."
            )
        kwargs = checked_options(self.valid_kwargs, kwargs)
        return_tensors = kwargs.pop("return_tensors", None)
        do_sample_frames = kwargs.pop("do_sample_frames", self.do_sample_frames)
        names = ("num_frames", "fps", "start_seconds", "end_seconds", "sampling")
        sampling = {name: kwargs.pop(name, getattr(self, name, None)) for name in names}
        read = self._read_videos(
            videos,
            kwargs.pop("video_metadata", None),
            partial(self.sample_frames, **sampling) if do_sample_frames else None,
            kwargs.pop("video_backend", self.video_backend),
        )
        frames, metadata = zip(*read, strict=True)
        features = super().preprocess(list(frames), video_metadata=list(metadata), do_sample_frames=False, **kwargs)

        length = max(map(len, frames))
        if do_sample_frames and sampling["fps"] is None:
            length = max(length, sampling["num_frames"] or self.num_frames)
        for name in self.model_input_names:
            features[name] = [F.pad(video, (0, 0) * 3 + (0, length - len(video))) for video in features[name]]
        return features.convert_to_tensors(return_tensors, skip_tensor_conversion=["video_metadata"])

    def _read_videos(
        self, videos: Any, video_metadata: Any, sample_indices_fn: Callable | None, backend: str | None
    ) -> list[tuple[np.ndarray | torch.Tensor, VideoMetadata]]:
        """Frames (n, 3, H, W) or (n, H, W, 3) and metadata of each video."""
        videos = flatten_videos(videos)
        if not videos:
            raise ValueError("No video was given.")
        if isinstance(video_metadata, VideoMetadata):
            # alone, transformers would copy it without the times
            video_metadata = [video_metadata]
        known = [None] * len(videos) if video_metadata is None else make_batched_metadata(videos, video_metadata)
        return [
            decode_video(video, sample_indices_fn, backend=backend)
            if is_source(video)
            else self._sample_frames_given(video, metadata, sample_indices_fn)
            for video, metadata in zip(videos, known, strict=True)
        ]

    def _sample_frames_given(
        self, video: Any, metadata: VideoMetadata | None, sample_indices_fn: Callable | None
    ) -> tuple[np.ndarray | torch.Tensor, VideoMetadata]:
        if isinstance(video, (list, tuple)) and isinstance(video[0], (str, os.PathLike)):
            if sample_indices_fn is not None:
                raise ValueError(
                    "Sampling frames from a list of images is not supported! Set `do_sample_frames=False`."
                )
            video = [self.process_image(image) for image in self.fetch_images([os.fspath(path) for path in video])]
        frames = frames_to_array(video)
        known = describe_given_frames(len(frames), metadata, sample_indices_fn)
        return (frames if sample_indices_fn is None else frames[known.frames_indices]), known

    def _prepare_input_videos(self, videos: list[Any], **kwargs) -> list[torch.Tensor]:
        """uint8 (n, 3, H, W). One by one: the videos of a batch may differ in layout."""
        prepared = []
        for video in videos:
            layout = kwargs.get("input_data_format") or channel_layout(video)
            prepared += super()._prepare_input_videos([video], **{**kwargs, "input_data_format": layout})
        return prepared


__all__ = ["VideoFileProcessor"]
