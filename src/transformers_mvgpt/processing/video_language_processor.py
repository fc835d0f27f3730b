# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Videos in prompts: what the processors of families that take videos do."""

from collections.abc import Collection
from typing import Any

import numpy as np
from transformers.video_utils import make_batched_metadata

from .chat_messages import VideoWithOptions, normalize_chat
from .image_inputs import read_image
from .video_file_processor import VideoFileProcessor
from .video_inputs import flatten_videos
from .vision_language_processor import VisionLanguageProcessor


class VideoLanguageProcessor(VisionLanguageProcessor):
    """
    A [`VisionLanguageProcessor`] whose model takes videos. If the model takes videos alone, an image becomes a video of one frame, in a
    chat where it stands.
    """

    video_processor: VideoFileProcessor

    def _normalize(
        self, chat: Any, template: str, needs_question: bool, part_options: Collection[str] = ()
    ) -> list[dict[str, Any]]:
        if "image" in self.placeholders:
            return super()._normalize(chat, template, needs_question, part_options)
        messages = normalize_chat(chat, template, ("image", "video"), part_options, needs_question)
        for message in messages:
            if isinstance(message["content"], list):
                message["content"] = [_image_as_video(part) for part in message["content"]]
        return messages

    def prepare_inputs_layout(self, images=None, text=None, videos=None, audio=None, **kwargs):
        if images is not None and "image" not in self.placeholders:
            if videos is not None:
                raise ValueError(
                    f"A {type(self).__name__} cannot tell the order of `images` and `videos` in a prompt: pass all of them as `videos`, "
                    "an image as a list of one frame, or pass a chat."
                )
            images, videos = None, [VideoWithOptions(image, is_image=True) for image in _flatten_images(images)]
        return super().prepare_inputs_layout(images=images, text=text, videos=videos, audio=audio, **kwargs)

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
        known = [None] * len(videos) if video_metadata is None else make_batched_metadata(videos, video_metadata)
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
                    video = [read_image(video.video, limits)]
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


def _image_as_video(part: dict[str, Any]) -> dict[str, Any]:
    if part["type"] != "image":
        return part
    return {"type": "video"} | ({"video": VideoWithOptions(part["image"], is_image=True)} if "image" in part else {})


def _flatten_images(images: Any) -> list[Any]:
    if isinstance(images, (list, tuple)):
        return [image for item in images for image in _flatten_images(item)]
    return list(images) if getattr(images, "ndim", 3) == 4 else [images]


__all__ = ["VideoLanguageProcessor"]
