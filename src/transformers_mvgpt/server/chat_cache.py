# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Encoded videos and images that were asked about before, up to a number and a size."""

import threading
from collections import OrderedDict
from typing import Any

import torch
from transformers import BatchFeature, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutputWithPooling

from ..chat.video_chat import VideoChat
from ..chat.visual_encoding import encode_visual
from ..processing.vision_language_processor import VisionLanguageProcessor


class EncodedVisual:
    """
    Args:
        modality (`str`): `"image"` or `"video"`, as what the model takes it.
        features ([`~modeling_outputs.BaseModelOutputWithPooling`]): What its encoders made of it.
        metadata ([`~video_utils.VideoMetadata`], *optional*): Which frames of a video they are.
        chat ([`VideoChat`], *optional*): For questions about it alone, where the model has chats about its modality.
    """

    def __init__(
        self, modality: str, features: BaseModelOutputWithPooling, metadata: Any = None, chat: VideoChat | None = None
    ) -> None:
        self.modality, self.features, self.metadata, self.chat = modality, features, metadata, chat

    @property
    def num_bytes(self) -> int:
        """What it takes in memory. A chat grows with its first question."""
        tensors = [value for value in self.features.values() if isinstance(value, torch.Tensor)]
        num_bytes = sum(tensor.nbytes for tensor in tensors)
        return num_bytes + (0 if self.chat is None else self.chat.num_cached_bytes)


def encode(
    model: PreTrainedModel, processor: VisionLanguageProcessor, modality: str, read: BatchFeature
) -> EncodedVisual:
    """Encodes what [`MediaReader.read`] returned."""
    features = encode_visual(model, modality, read)
    # the language model needs the visual tokens alone, and these may be larger
    features.last_hidden_state = None
    [metadata] = read.get("video_metadata") or [None]
    chat = None
    if modality == ("video" if "video" in processor.placeholders else "image"):
        chat = VideoChat(model, processor, features)
    return EncodedVisual(modality, features, metadata, chat)


class ChatCache:
    """
    Keeps what was used last. It is safe to use from several threads.

    Args:
        max_visuals (`int`): How many it keeps; 0 keeps none.
        max_bytes (`int`): What they take in memory together, on the model's device.
    """

    def __init__(self, max_visuals: int, max_bytes: int) -> None:
        self.max_visuals, self.max_bytes = max_visuals, max_bytes
        self._kept: OrderedDict[str, EncodedVisual] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: str) -> EncodedVisual | None:
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def put(self, key: str, visual: EncodedVisual) -> None:
        with self._lock:
            self._kept[key] = visual
            self._kept.move_to_end(key)

    def trim(self) -> None:
        """Drops what is over the limits, what was used longest ago first. To be called after answers, which make chats grow."""
        with self._lock:
            while self._kept and (len(self._kept) > self.max_visuals or self._num_bytes() > self.max_bytes):
                self._kept.popitem(last=False)

    def clear(self) -> None:
        with self._lock:
            self._kept.clear()

    @property
    def num_visuals(self) -> int:
        return len(self._kept)

    @property
    def num_bytes(self) -> int:
        with self._lock:
            return self._num_bytes()

    def _num_bytes(self) -> int:
        return sum(visual.num_bytes for visual in self._kept.values())
