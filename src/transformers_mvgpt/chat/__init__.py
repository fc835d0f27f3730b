# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Many questions about one video, which is encoded once and has one prefill, or about a stream."""

from .conversation import ContextFullError, Conversation
from .live_video import LiveSnapshot, LiveVideo
from .video_chat import VideoChat
from .video_features import load_video_features, save_video_features


__all__ = [
    "ContextFullError",
    "Conversation",
    "LiveSnapshot",
    "LiveVideo",
    "VideoChat",
    "load_video_features",
    "save_video_features",
]
