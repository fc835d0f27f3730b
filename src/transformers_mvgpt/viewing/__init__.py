# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""What a model saw of a video: the frames as data and as pictures."""

from typing import TYPE_CHECKING

from ..lazy_names import lazy_names


if TYPE_CHECKING:
    from .frame_selection import FrameSelection, SampledFrame, encode_with_frames
    from .frame_selection_plot import plot_frame_selection
else:
    # how times are shown, and what exported models have of frames, needs no torch
    _NAMES = {
        "FrameSelection": ".frame_selection",
        "SampledFrame": ".frame_selection",
        "encode_with_frames": ".frame_selection",
        "plot_frame_selection": ".frame_selection_plot",
    }
    __getattr__, __dir__ = lazy_names(__name__, _NAMES)

__all__ = ["FrameSelection", "SampledFrame", "encode_with_frames", "plot_frame_selection"]
