# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Both pixel streams of a video, from one decode: one for the video encoder, one for the image encoder."""

from typing import Any

import numpy as np
import torch
from transformers.image_utils import (
    IMAGENET_DEFAULT_MEAN,
    IMAGENET_DEFAULT_STD,
    OPENAI_CLIP_MEAN,
    OPENAI_CLIP_STD,
    PILImageResampling,
)
from transformers.video_utils import VideoMetadata

from ..video.frame_sampling_mvgpt import sample_frame_indices
from ..video.rate_sampling import sample_at_rate
from .center_resize import resize_as_on_cpu, resize_center
from .video_file_processor import VideoFileProcessor, VideoSegmentKwargs


class MobileVideoGPTVideoProcessorKwargs(VideoSegmentKwargs, total=False):
    r"""
    As [`VideoSegmentKwargs`], and

    context_resample (`PILImageResampling`, *optional*):
        Resampling filter of the image encoder's stream.
    context_image_mean, context_image_std (`float` or `list[float]`, *optional*):
        Mean and standard deviation of the image encoder's stream.
    """

    context_resample: PILImageResampling | int | None
    context_image_mean: float | list[float] | tuple[float, ...] | None
    context_image_std: float | list[float] | tuple[float, ...] | None


class MobileVideoGPTVideoProcessor(VideoFileProcessor):
    r"""
    Makes `pixel_values_videos` for the video encoder and `context_pixel_values_videos` for the image encoder, both of
    shape `(num_videos, num_frames, 3, height, width)` and dtype float32.

    | stream | resized | then |
    |---|---|---|
    | video | straight to `crop_size`, `resample` (bilinear) without antialias | `image_mean`, `image_std` (ImageNet's) |
    | image | shortest edge to `size`, `context_resample` (bicubic) with antialias, center crop to `crop_size` | `context_image_mean`, `context_image_std` (CLIP's) |

    Sampled videos that are shorter than `num_frames` are followed by zero frames, and so are the shorter ones of a batch.

    Example:

    ```python
    >>> from transformers_mvgpt import MobileVideoGPTVideoProcessor

    >>> processor = MobileVideoGPTVideoProcessor()
    >>> features = processor("clip.mp4", start_seconds=2, end_seconds=7.5, return_metadata=True, return_tensors="pt")
    >>> features["pixel_values_videos"].shape
    torch.Size([1, 16, 3, 224, 224])
    >>> features["video_metadata"][0].timestamps  # seconds
    ```"""

    valid_kwargs = MobileVideoGPTVideoProcessorKwargs
    model_input_names = ["pixel_values_videos", "context_pixel_values_videos"]

    size = {"shortest_edge": 224}
    crop_size = {"height": 224, "width": 224}
    default_to_square = False
    resample = PILImageResampling.BILINEAR
    context_resample = PILImageResampling.BICUBIC
    image_mean = IMAGENET_DEFAULT_MEAN
    image_std = IMAGENET_DEFAULT_STD
    context_image_mean = OPENAI_CLIP_MEAN
    context_image_std = OPENAI_CLIP_STD
    do_resize = True
    do_center_crop = True
    do_rescale = True
    do_normalize = True
    do_convert_rgb = True
    num_frames = 16

    def sample_frames(
        self,
        metadata: VideoMetadata,
        num_frames: int | None = None,
        fps: float | None = None,
        start_seconds: float | None = None,
        end_seconds: float | None = None,
        sampling: str | None = None,
        **kwargs,
    ) -> np.ndarray:
        r"""
        Indices of the frames to look at.

        Args:
            metadata ([`~video_utils.VideoMetadata`]):
                Number of frames and average frame rate of the video, and the times of its frames where it is a
                [`SampledVideoMetadata`].
            num_frames (`int`, *optional*, defaults to `self.num_frames`):
                Number of frames wanted. The default takes fewer from a shorter video; any other number must be there.
            fps (`float`, *optional*):
                Sample at this rate instead.
            start_seconds, end_seconds (`float`, *optional*):
                Segment to sample from, see [`segment_bounds`].
            sampling (`str`, *optional*, defaults to `self.sampling`):
                `"frames"`, the published rule, or `"time"`.

        Returns:
            `np.ndarray` of shape `(n,)`, ascending. See [`sample_frame_indices`].

        Raises:
            ValueError: if the frames asked for are not there.
        """
        sampling = self.sampling if sampling is None else sampling
        explicit = num_frames is not None and num_frames != self.num_frames
        if fps is not None:
            if fps <= 0:
                raise ValueError(f"`fps` ({fps}) must be more than 0.")
            if explicit:
                raise ValueError(
                    f"`num_frames` ({num_frames}) and `fps` ({fps}) exclude each other: pass one of them."
                )
            return sample_at_rate(metadata, fps, start_seconds, end_seconds, sampling)

        wanted = num_frames if num_frames is not None else self.num_frames
        indices = sample_frame_indices(
            metadata.total_num_frames,
            metadata.fps,
            wanted,
            start_seconds,
            end_seconds,
            frame_times=getattr(metadata, "frame_times", None),
            sampling=sampling,
        )
        if explicit and len(indices) < wanted:
            raise ValueError(
                f"`num_frames` ({wanted}) is more than the {len(indices)} frames there are: pass at most {len(indices)}, "
                f"or leave it out to have the clip filled up to {self.num_frames} with zero frames."
            )
        return indices

    def frame_streams(self, frame: torch.Tensor, options: dict[str, Any]) -> tuple[torch.Tensor, ...]:
        size, crop_size, context_resample = (options[name] for name in ("size", "crop_size", "context_resample"))
        video = context = frame
        if options["do_resize"]:
            if options["do_center_crop"]:
                context = resize_center(context, size, crop_size, context_resample)
            context = resize_as_on_cpu(context, size, context_resample, self.resize)
            video = self.resize(video, size=crop_size, resample=options["resample"], antialias=False)
        if options["do_center_crop"]:
            context = self.center_crop(context, crop_size)
        return video, context

    def stream_statistics(self, options: dict[str, Any]) -> list[tuple[Any, Any]]:
        return [(options[f"{prefix}image_mean"], options[f"{prefix}image_std"]) for prefix in ("", "context_")]


__all__ = ["MobileVideoGPTVideoProcessor"]
