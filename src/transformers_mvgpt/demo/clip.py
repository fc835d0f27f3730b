# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""A short clip of coloured shapes that move, drawn rather than filmed."""

import os

import av
import numpy as np


SIZE = 240  # pixels
FRAMES_PER_SECOND = 24
BACKGROUND, RED, BLUE = (235, 235, 225), (215, 40, 40), (40, 70, 215)


def draw_frame(progress: float) -> np.ndarray:
    """
    A red square on its way from left to right, and a blue disc on its way from top to bottom.

    Args:
        progress (`float`):
            How far they are: 0 at the start, 1 at the end.

    Returns:
        `np.ndarray` of shape `(240, 240, 3)`, uint8, RGB.
    """
    rows, columns = np.mgrid[:SIZE, :SIZE]
    travelled = 30 + progress * (SIZE - 60)
    square = (abs(rows - 70) <= 25) & (abs(columns - travelled) <= 25)
    disc = (rows - travelled) ** 2 + (columns - 170) ** 2 <= 25**2
    frame = np.full((SIZE, SIZE, 3), BACKGROUND, dtype=np.uint8)
    frame[square] = RED
    frame[disc] = BLUE
    return frame


def write_clip(path: str | os.PathLike, seconds: float = 4.0) -> None:
    """Writes the clip to `path`, an MP4 file with H.264 video at 24 frames per second."""
    num_frames = round(seconds * FRAMES_PER_SECOND)
    with av.open(os.fspath(path), "w") as container:
        stream = container.add_stream("h264", rate=FRAMES_PER_SECOND)
        stream.width = stream.height = SIZE
        stream.pix_fmt = "yuv420p"
        for index in range(num_frames):
            frame = draw_frame(index / max(1, num_frames - 1))
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))
