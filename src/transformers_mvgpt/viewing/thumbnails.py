# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Small pictures of frames, made while a processor reads them, or read anew of a video."""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from transformers.image_transforms import to_pil_image
from transformers.image_utils import PILImageResampling, SizeDict
from transformers.video_processing_utils import BaseVideoProcessor
from transformers.video_utils import VideoMetadata

from ..processing.image_inputs import read_images
from ..processing.video_file_processor import VideoFileProcessor
from ..processing.vision_language_processor import VisionLanguageProcessor
from ..video.limits import UntrustedInput


# Longest side, in pixels.
THUMBNAIL_SIZE = 320
_STREAM = "thumbnails"


def with_thumbnails(processor: VisionLanguageProcessor) -> VisionLanguageProcessor:
    """A copy of the processor of a model for videos: what it returns of a video has pictures, which [`take_thumbnails`] takes out."""
    video_processor = copy.copy(processor.video_processor)
    frame_streams, stream_statistics = video_processor.frame_streams, video_processor.stream_statistics
    video_processor.model_input_names = [*video_processor.model_input_names, _STREAM]
    video_processor.frame_streams = lambda frame, options: (
        *frame_streams(frame, options),
        _shrink(video_processor, frame),
    )
    # which leave them as they are
    video_processor.stream_statistics = lambda options: [*stream_statistics(options), ([0.0] * 3, [1.0] * 3)]
    processor = copy.copy(processor)
    processor.video_processor = video_processor
    return processor


def take_thumbnails(features: Any, do_rescale: bool, rescale_factor: float) -> list[Image.Image]:
    """
    Takes the pictures out of what a processor of [`with_thumbnails`] made of one video.

    Args:
        features (`BatchFeature`): changed: without them, it is what the processor itself returns.
        do_rescale (`bool`), rescale_factor (`float`): what the processor was called with.
    """
    [frames] = features.pop(_STREAM)  # (F, 3, h, w)
    frames = frames / rescale_factor if do_rescale else frames
    return [_to_image(frame) for frame in frames.round().clamp(0, 255).to(torch.uint8).cpu()]


def read_images_once(images: Any, limits: UntrustedInput | None) -> tuple[Any, list[Image.Image]]:
    """
    Args:
        images: one image or a list of images, in any form that a processor takes.
        limits ([`UntrustedInput`], *optional*): the limits on files and addresses.

    Returns:
        The same images, read, and small pictures of them.
    """
    images = read_images(images, limits)
    each = images if isinstance(images, (list, tuple)) else [images]
    small = [image.copy() if isinstance(image, Image.Image) else to_pil_image(image) for image in each]
    for image in small:
        image.thumbnail((THUMBNAIL_SIZE, THUMBNAIL_SIZE))
    return images, small


def read_thumbnails(video: Any, indices: Sequence[int], **video_options: Any) -> list[Image.Image]:
    """
    Args:
        video: a video in any form that a processor takes.
        indices (`Sequence[int]`): of the frames.
        video_options: `video_backend` and `untrusted_input`.

    Raises:
        ValueError, OSError: if the video cannot be read, or has no such frames.
    """
    if not indices:
        return []
    features = _ThumbnailReader(indices)([video], return_tensors="pt", **video_options)
    return [_to_image(frame) for frame in features["pixel_values_videos"][0]]


class _ThumbnailReader(VideoFileProcessor):
    """Reads given frames of a video, as uint8 pixels."""

    model_input_names = ["pixel_values_videos"]
    fills_up = False
    do_convert_rgb = True
    do_rescale = False
    do_normalize = False
    image_mean = image_std = None

    def __init__(self, indices: Sequence[int]) -> None:
        super().__init__()
        self.num_frames, self._indices = len(indices), indices

    def sample_frames(self, metadata: VideoMetadata, **kwargs: Any) -> np.ndarray:
        if max(self._indices) >= metadata.total_num_frames:
            raise ValueError(
                f"The record names frame {max(self._indices)}, and this video has {metadata.total_num_frames} frames: pass the video that "
                "the record is about."
            )
        return np.asarray(self._indices)

    def frame_streams(self, frame: torch.Tensor, options: Mapping[str, Any]) -> tuple[torch.Tensor, ...]:
        return (_shrink(self, frame),)


def _shrink(processor: BaseVideoProcessor, frame: torch.Tensor) -> torch.Tensor:
    """A frame, uint8 (3, H, W), with its longest side at most `THUMBNAIL_SIZE`."""
    height, width = frame.shape[-2:]
    longest = max(height, width)
    if longest <= THUMBNAIL_SIZE:
        return frame
    size = SizeDict(
        height=max(1, round(height * THUMBNAIL_SIZE / longest)), width=max(1, round(width * THUMBNAIL_SIZE / longest))
    )
    return processor.resize(frame, size=size, resample=PILImageResampling.BILINEAR)


def _to_image(frame: torch.Tensor) -> Image.Image:
    return Image.fromarray(frame.permute(1, 2, 0).contiguous().numpy())
