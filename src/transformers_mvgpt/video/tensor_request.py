# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Frames as tensors: of each frame only what the processor makes of it is held."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from .frame_geometry import square_size
from .frame_request import FrameRequest
from .limits import UntrustedInput
from .video_metadata import SampledVideoMetadata


# Makes what is kept of one frame, uint8 RGB of shape (3, height, width): a tensor for each stream.
FrameTransform = Callable[[torch.Tensor], tuple[torch.Tensor, ...]]


class TensorRequest(FrameRequest):
    """
    As [`FrameRequest`]. Pictures may be put as arrays or tensors.

    Args:
        transform (`FrameTransform`, *optional*):
            Called for each frame, and before the first one with a tensor on the device "meta", which tells how much will be
            held. Without it the frames themselves are kept.
    """

    metadata_class = SampledVideoMetadata
    metadata: SampledVideoMetadata
    # what is kept of the frames, of shape (num_indices, ...) each
    streams: list[torch.Tensor]

    def __init__(
        self,
        name: str,
        backend: str,
        sample_indices_fn: Callable[..., Sequence[int]] | None,
        untrusted_input: UntrustedInput | None = None,
        transform: FrameTransform | None = None,
    ) -> None:
        super().__init__(name, backend, sample_indices_fn, untrusted_input)
        self.transform = transform

    def _square(self, picture: Any, pixel_aspect_ratio: Fraction) -> torch.Tensor:
        frame = _tensor(picture) if isinstance(picture, np.ndarray) else picture
        _, height, width = frame.shape
        new_width, new_height = square_size(width, height, pixel_aspect_ratio)
        if (new_width, new_height) == (width, height):
            return frame
        return F.interpolate(frame[None], (new_height, new_width), mode="bilinear", align_corners=False)[0]

    def _keep(self, frame: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return (frame,) if self.transform is None else self.transform(frame)

    def _keep_blank(self, height: int, width: int) -> tuple[torch.Tensor, ...]:
        return self._keep(torch.empty(3, height, width, dtype=torch.uint8, device="meta"))

    def _empty(self, num_frames: int, pixels: torch.Tensor) -> torch.Tensor:
        return pixels.new_empty((num_frames, *pixels.shape))


def _tensor(picture: np.ndarray) -> torch.Tensor:
    # Tensors cannot count backwards, as mirrored pictures do. The order in memory stays: kernels of resizing go by it.
    is_reversed = any(stride < 0 for stride in picture.strides)
    return torch.from_numpy(picture.copy(order="K") if is_reversed else picture)
