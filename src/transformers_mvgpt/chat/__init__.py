# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Many questions about one video, which is encoded once and has one prefill, or about a stream."""

from typing import TYPE_CHECKING

from ..lazy_names import lazy_names


if TYPE_CHECKING:
    from .conversation import Conversation
    from .live_video import LiveSnapshot, LiveVideo
    from .turns import ContextFullError
    from .video_chat import VideoChat
    from .video_features import load_video_features, save_video_features
else:
    # what exported models have of a conversation needs no torch
    _NAMES = {
        "ContextFullError": ".turns",
        "Conversation": ".conversation",
        "LiveSnapshot": ".live_video",
        "LiveVideo": ".live_video",
        "VideoChat": ".video_chat",
        "load_video_features": ".video_features",
        "save_video_features": ".video_features",
    }
    __getattr__, __dir__ = lazy_names(__name__, _NAMES)

__all__ = [
    "ContextFullError",
    "Conversation",
    "LiveSnapshot",
    "LiveVideo",
    "VideoChat",
    "load_video_features",
    "save_video_features",
]
