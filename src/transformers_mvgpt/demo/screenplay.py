# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Scenes in words, frame by frame: what the language model reads before it is shown any picture."""

from .scene import Scene


_GRID = 8  # fields along a side of the stage


def write_screenplay(scene: Scene, num_frames: int = 12, start: float = 0.0, end: float = 1.0) -> str:
    """
    What is visible at evenly spaced times, and in which field of the stage:

        red circle b3, blue ring h8; red circle c3; ...

    Args:
        scene ([`Scene`]): what happens.
        num_frames (`int`): number of times.
        start, end (`float`): the first and the last of them, as shares of the clip.
    """
    frames = []
    for index in range(num_frames):
        progress = start + (end - start) * index / max(1, num_frames - 1)
        actors = []
        for actor in scene.actors:
            if actor.is_visible(progress):
                column, row = (min(int(share * _GRID), _GRID - 1) for share in actor.centre(progress))
                actors.append(f"{actor.colour_at(progress)} {actor.shape} {'abcdefgh'[column]}{row + 1}")
        frames.append(", ".join(actors))
    return "; ".join(frames) + "."
