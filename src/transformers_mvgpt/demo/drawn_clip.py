# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Drawn clips as video files, with questions about them."""

import os
import random
from dataclasses import dataclass

import av

from .drawing import draw_frame
from .questions import Question, make_questions
from .scene import Scene, Split, make_scene


# Fewer frames, and the sampled ones might end before the last event does.
MIN_FRAMES = 61
MIN_SIDE = 64  # pixels

# (width, height) in pixels and how often; frames per second; the most frames
_SIZES = {
    (96, 96): 5,
    (128, 96): 5,
    (128, 128): 4,
    (144, 96): 3,
    (96, 128): 2,
    (160, 120): 3,
    (192, 108): 2,
    (240, 180): 1,
    (320, 240): 1,
}
_RATES = (8, 10, 12, 15, 20, 24, 25, 30)
_MAX_FRAMES = 150


@dataclass(frozen=True)
class Clip:
    """
    Args:
        scene ([`Scene`]): what happens in it.
        questions (`list[Question]`): what can be asked about it.
        width, height (`int`): in pixels.
        fps (`int`): frames per second.
        num_frames (`int`): length.
    """

    scene: Scene
    questions: list[Question]
    width: int
    height: int
    fps: int
    num_frames: int


def make_clip(
    seed: int,
    split: Split = "train",
    *,
    width: int | None = None,
    height: int | None = None,
    fps: int | None = None,
    seconds: float | None = None,
) -> Clip:
    """
    The clip of this seed, the same everywhere.

    Args:
        seed (`int`): decides what happens, what is asked, and what is not given.
        split (`str`, defaults to `"train"`): `"train"`, `"validation"` or `"test"`; splits share no clip.
        width, height (`int`, *optional*): in pixels, even numbers.
        fps (`int`, *optional*): frames per second.
        seconds (`float`, *optional*): length.

    Raises:
        ValueError: if the clip would be too small or too short to show what happens.
    """
    rng = random.Random(f"file {split} {seed}")
    size = rng.choices(list(_SIZES), list(_SIZES.values()))[0]
    rate = rng.choice(_RATES)
    length = rng.randint(MIN_FRAMES, _MAX_FRAMES)
    width, height, fps = width or size[0], height or size[1], fps or rate
    num_frames = length if seconds is None else round(seconds * fps)
    for name, value, least in (("width", width, MIN_SIDE), ("height", height, MIN_SIDE)):
        if value < least or value % 2:
            raise ValueError(f"`{name}` ({value}) must be an even number of pixels, at least {least}.")
    if fps < 1 or num_frames < MIN_FRAMES:
        raise ValueError(
            f"`seconds` ({seconds}) at `fps` ({fps}) makes {num_frames} frames: at least {MIN_FRAMES} are needed, "
            f"{MIN_FRAMES / max(fps, 1):.3g} seconds."
        )
    scene = make_scene(seed, split)
    return Clip(scene, make_questions(scene, seed, split), width, height, fps, num_frames)


def write_clip(clip: Clip, path: str | os.PathLike) -> None:
    """Writes the clip as H.264 video; the name of the file says in which container, usually MP4."""
    with av.open(os.fspath(path), "w") as container:
        stream = container.add_stream("libx264", rate=clip.fps, options={"preset": "ultrafast", "crf": "18"})
        stream.width, stream.height, stream.pix_fmt = clip.width, clip.height, "yuv420p"
        stream.codec_context.thread_count = 1  # small frames: threads cost more than they give
        for index in range(clip.num_frames):
            picture = draw_frame(clip.scene, progress_of_frame(clip, index), clip.width, clip.height)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))


def progress_of_frame(clip: Clip, index: int) -> float:
    """Share of the clip that is over when the frame of this index is shown, 0 for the first, 1 for the last."""
    return index / (clip.num_frames - 1)
