# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Videos in prompts: what the processors of families that take videos do."""

from typing import Any

import numpy as np
from transformers.processing_utils import ProcessingKwargs, ProcessorMixin, Unpack

from .chat_parts import VideoWithOptions
from .chat_prompts import visual_parts
from .given_metadata import batch_metadata
from .image_inputs import read_image
from .video_file_processor import VideoFileProcessor
from .video_inputs import flatten_videos
from .vision_language_processor import VisionLanguageProcessor


class VideoLanguageProcessor(VisionLanguageProcessor):
    """A [`VisionLanguageProcessor`] whose model takes videos."""

    video_processor: VideoFileProcessor

    def __call__(
        self, images: Any = None, text: Any = None, videos: Any = None, **kwargs: Unpack[ProcessingKwargs]
    ) -> Any:
        """As [`VisionLanguageProcessor.__call__`]."""
        return self._call(images=images, text=text, videos=videos, **kwargs)

    def validate_inputs(self, images=None, text=None, videos=None, audio=None, **kwargs):
        if videos is not None:
            # the base class counts videos in fewer forms than there are: give it as many stand-ins
            videos = [np.zeros((1, 1, 1, 3), dtype=np.uint8)] * len(flatten_videos(videos))
        super().validate_inputs(images=images, text=text, videos=videos, audio=audio, **kwargs)

    def _process_videos(self, videos: Any, **kwargs) -> tuple[dict[str, Any], list[str]]:
        flat = flatten_videos(videos)
        if any(isinstance(video, VideoWithOptions) for video in flat):
            features = self._process_each_video(flat, **kwargs)
        else:
            features = self.video_processor(videos, **kwargs)
        return features, [self.replace_video_token(features, index) for index in range(len(flat))]

    def _process_each_video(
        self, videos: list[Any], video_metadata: Any = None, return_tensors: Any = None, **kwargs: Any
    ) -> dict[str, Any]:
        """Videos with options of their own."""
        bare = [video.video if isinstance(video, VideoWithOptions) else video for video in videos]
        known = batch_metadata(bare, video_metadata)
        each = []
        for video, metadata in zip(videos, known, strict=True):
            options = dict(kwargs, return_tensors="pt", **({} if metadata is None else {"video_metadata": [metadata]}))
            if isinstance(video, VideoWithOptions):
                if video.options and options.get("do_sample_frames") is False:
                    raise ValueError(
                        f"{', '.join(map(repr, video.options))} of a video need `do_sample_frames=True`: leave one of them out."
                    )
                options |= video.options
                if video.is_image:
                    options["do_sample_frames"] = False
                    limits = options.get("untrusted_input") or self.untrusted_input
                    video = [_as_frame(read_image(video.video, limits))]
                else:
                    video = video.video
            # nested as in a chat, where a list of paths is one video
            each.append(self.video_processor([[video]], **options))
        return {
            "video_metadata": [entry for one in each for entry in one.get("video_metadata", ())],
            **self.video_processor.join(each),
        }

    def replace_video_token(self, video_inputs: dict, video_idx: int, **kwargs) -> str:
        return self.video_token * self.num_video_tokens


class ImagesAsVideos(ProcessorMixin):
    """
    What a [`VideoLanguageProcessor`] does whose model takes videos alone: an image is a video of one frame, in a chat where it stands.
    """

    # `images` is not among the names: code that gives a processor all kinds of visuals looks at the names of its parameters
    def __call__(self, text: Any = None, videos: Any = None, **kwargs: Unpack[ProcessingKwargs]) -> Any:
        """As [`VisionLanguageProcessor.__call__`]. Instead of `videos`, it takes `images`."""
        images = kwargs.pop("images", None)
        if images is not None and videos is not None:
            raise ValueError(
                f"A {type(self).__name__} cannot tell the order of `images` and `videos` in a prompt: pass all of them as `videos`, "
                "an image as a list of one frame, or pass a chat."
            )
        if images is not None:
            videos = [VideoWithOptions(image, is_image=True) for image in _flatten_images(images)]
        return self._call(text=text, videos=videos, **kwargs)

    @property
    def _kinds_in_chats(self) -> tuple[str, ...]:
        return "image", "video"

    def _visuals_of(self, chats: list[list[dict[str, Any]]]) -> dict[str, list[list[Any]]]:
        def video_of(part: dict[str, Any]) -> Any:
            return VideoWithOptions(part["image"], is_image=True) if part["type"] == "image" else part["video"]

        return {"videos": [[video_of(part) for part in visual_parts(chat)] for chat in chats]}


def _as_frame(image: Any) -> Any:
    """An image of [`read_image`] that counts as a frame of a video: with channels, if it is an array."""
    shape = tuple(getattr(image, "shape", ()))
    if len(shape) == 2:
        return image[..., None]
    if shape and (len(shape) != 3 or not {shape[0], shape[-1]} & {1, 3, 4}):
        raise ValueError(f"An image must have the shape (height, width, 3) or (3, height, width), got {shape}.")
    return image


def _flatten_images(images: Any) -> list[Any]:
    if isinstance(images, (list, tuple)):
        return [image for item in images for image in _flatten_images(item)]
    return list(images) if getattr(images, "ndim", 3) == 4 else [images]


__all__ = ["ImagesAsVideos", "VideoLanguageProcessor"]
