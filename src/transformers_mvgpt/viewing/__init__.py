# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""What a model saw of a video: the frames as data and as pictures."""

from .frame_selection import FrameSelection, SampledFrame, encode_with_frames
from .frame_selection_plot import plot_frame_selection


__all__ = ["FrameSelection", "SampledFrame", "encode_with_frames", "plot_frame_selection"]
