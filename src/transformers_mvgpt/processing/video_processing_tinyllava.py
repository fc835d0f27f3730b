# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Pixels of videos for TinyLLaVA-Video."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from transformers.image_utils import IMAGENET_STANDARD_MEAN, IMAGENET_STANDARD_STD, PILImageResampling
from transformers.video_utils import VideoMetadata

from ..video.frame_sampling_tinyllava import spread_frame_indices
from ..video.rate_sampling import sample_at_rate
from .center_resize import resize_as_on_cpu
from .video_file_processor import VideoFileProcessor, VideoSegmentKwargs


class TinyLlavaVideoVideoProcessorKwargs(VideoSegmentKwargs, total=False):
    r"""
    As [`VideoSegmentKwargs`], and

    max_frames (`int`, *optional*):
        Frames at most where `num_frames` is `None`, which takes about one per second.
    """

    max_frames: int | None


class TinyLlavaVideoVideoProcessor(VideoFileProcessor):
    r"""
    Makes `pixel_values_videos` of dtype float32: `(num_videos, num_frames, 3, height, width)`, or, where videos have different
    numbers of frames, all frames one after the other, `(num_all_frames, 3, height, width)`, and `num_frames_per_video` of shape
    `(num_videos,)`.

    Each frame is resized straight to `size`, whatever its shape (bicubic, with antialias), and scaled to -1 .. 1. Grey levels are always
    divided by 255. (The released code does not divide frames that it is given as floating point numbers of at most 1; frames are 8-bit
    pixels here, and a dark picture is a dark picture.)

    With `num_frames=None` there are as many frames as the video has full seconds, at least one and at most `max_frames`. A video that
    is shorter than `num_frames` repeats some of its frames.

    Example:

    ```python
    >>> from transformers_mvgpt import TinyLlavaVideoVideoProcessor

    >>> processor = TinyLlavaVideoVideoProcessor()
    >>> features = processor("clip.mp4", start_seconds=2, end_seconds=7.5, return_metadata=True, return_tensors="pt")
    >>> features["pixel_values_videos"].shape
    torch.Size([1, 16, 3, 384, 384])
    >>> features["video_metadata"][0].timestamps  # seconds
    ```"""

    valid_kwargs = TinyLlavaVideoVideoProcessorKwargs
    model_input_names = ["pixel_values_videos"]
    fills_up = False

    size = {"height": 384, "width": 384}
    resample = PILImageResampling.BICUBIC
    image_mean = IMAGENET_STANDARD_MEAN
    image_std = IMAGENET_STANDARD_STD
    do_resize = True
    do_rescale = True
    do_normalize = True
    do_convert_rgb = True
    num_frames = 16
    max_frames = 64

    def sample_frames(
        self,
        metadata: VideoMetadata,
        num_frames: int | None = None,
        fps: float | None = None,
        start_seconds: float | None = None,
        end_seconds: float | None = None,
        sampling: str | None = None,
        max_frames: int | None = None,
        **kwargs,
    ) -> np.ndarray:
        r"""
        Indices of the frames to look at.

        Args:
            metadata ([`~video_utils.VideoMetadata`]):
                Number of frames and average frame rate of the video, and the times of its frames where it is a
                [`SampledVideoMetadata`].
            num_frames (`int`, *optional*):
                Number of frames wanted; `None` for about one per second. The default takes one of a picture.
            fps (`float`, *optional*):
                Sample at this rate instead.
            start_seconds, end_seconds (`float`, *optional*):
                Segment to sample from, see [`segment_bounds`].
            sampling (`str`, *optional*, defaults to `self.sampling`):
                `"frames"`, the published rule, or `"time"`.
            max_frames (`int`, *optional*, defaults to `self.max_frames`):
                Frames at most where `num_frames` is `None`.

        Returns:
            `np.ndarray` of shape `(n,)`, ascending. See [`spread_frame_indices`].

        Raises:
            ValueError: if there are no frames, or an option does not fit the video.
        """
        sampling = self.sampling if sampling is None else sampling
        is_per_second = num_frames is None and fps is None
        if not is_per_second and max_frames not in (None, self.max_frames, num_frames):
            given = f"`fps` is {fps}" if fps is not None else f"`num_frames` is {num_frames}"
            raise ValueError(
                f"`max_frames` ({max_frames}) is for about one frame per second (`num_frames=None`), and {given}: leave it out."
            )
        if fps is not None:
            if fps <= 0:
                raise ValueError(f"`fps` ({fps}) must be more than 0.")
            if num_frames is not None and num_frames != self.num_frames:
                raise ValueError(
                    f"`num_frames` ({num_frames}) and `fps` ({fps}) exclude each other: pass one of them."
                )
            return sample_at_rate(metadata, fps, start_seconds, end_seconds, sampling)
        if metadata.total_num_frames == 1 and metadata.fps is None and num_frames == self.num_frames:
            num_frames = 1  # a picture, which is a video of one frame
        return spread_frame_indices(
            metadata.total_num_frames,
            metadata.fps,
            num_frames,
            self.max_frames if max_frames is None else max_frames,
            start_seconds,
            end_seconds,
            frame_times=getattr(metadata, "frame_times", None),
            sampling=sampling,
        )

    def frame_limit(self, sampling: Mapping[str, Any]) -> int:
        return max(sampling.get("max_frames") or self.max_frames, self.num_frames or 1)

    def frame_streams(self, frame: torch.Tensor, options: dict[str, Any]) -> tuple[torch.Tensor, ...]:
        if not options["do_resize"]:
            return (frame,)
        return (resize_as_on_cpu(frame, options["size"], options["resample"], self.resize),)


__all__ = ["TinyLlavaVideoVideoProcessor"]
