# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""A visitor's file to pixels, which needs no model, and to visual tokens and the frames that the model saw."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from transformers.video_utils import VideoMetadata

from ..chat.video_chat import VideoChat
from ..processing.out_of_memory import explain_out_of_memory
from ..processing.vision_language_processor import VisionLanguageProcessor
from ..viewing.frame_selection import FrameSelection, ReadVisual, encode_read, read_with_frames
from .answering import Answerer
from .chat_cache import EncodedVisual


def read_file(processor: VisionLanguageProcessor, file: Path, max_video_seconds: float) -> ReadVisual:
    """
    Args:
        processor ([`VisionLanguageProcessor`]): With the limits on what strangers send.
        file (`Path`): The file.
        max_video_seconds (`float`): A longer video is refused, before a frame of it is decoded.

    Raises:
        ValueError, OSError: if it is refused or cannot be read.
    """
    if "video" in processor.placeholders:
        processor = _with_time_limit(processor, max_video_seconds)
    return read_with_frames(processor, str(file))


def encode_file(answerer: Answerer, read: ReadVisual) -> tuple[EncodedVisual, FrameSelection]:
    """
    Args:
        answerer ([`Answerer`]): With the model.
        read ([`ReadVisual`]): What [`read_file`] returned.

    Raises:
        torch.OutOfMemoryError: if memory does not suffice.
    """
    with explain_out_of_memory(lambda: f"Out of memory while the {read.modality} was encoded: take a smaller one."):
        features, selection = encode_read(answerer.model, read)
    # the language model needs the visual tokens alone, and these may be larger
    features.last_hidden_state = None
    chat = VideoChat(answerer.model, answerer.processor, features)
    return EncodedVisual(read.modality, features, None, chat), selection


def _with_time_limit(processor: VisionLanguageProcessor, max_seconds: float) -> VisionLanguageProcessor:
    video_processor = copy.copy(processor.video_processor)
    video_processor.sample_frames = _limited(video_processor.sample_frames, max_seconds)
    processor = copy.copy(processor)
    processor.video_processor = video_processor
    return processor


def _limited(sample_frames: Callable[..., np.ndarray], max_seconds: float) -> Callable[..., np.ndarray]:
    def sample(metadata: VideoMetadata, *args: Any, **kwargs: Any) -> np.ndarray:
        seconds = metadata.duration
        if seconds is not None and seconds > max_seconds:
            raise ValueError(
                f"The video has {seconds:,.0f} seconds, and at most {max_seconds:,.0f} are taken: cut it shorter, or raise "
                "`--max-video-seconds` of `mvgpt web`."
            )
        return sample_frames(metadata, *args, **kwargs)

    return sample
