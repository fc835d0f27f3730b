# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
Pictures of a scene. It plays on a square stage in the middle of the frame, which is what the image encoder sees of it.

    |<---------------- width ---------------->|
    |          |<----- height ----->|         |
    |          |      stage         |         |
"""

from functools import lru_cache

import numpy as np

from .scene import Actor, Scene


RGB = {
    "red": (215, 30, 35),
    "green": (30, 165, 55),
    "blue": (35, 75, 225),
    "yellow": (240, 215, 40),
    "purple": (155, 50, 190),
    "orange": (245, 130, 20),
    "white": (248, 248, 248),
}
_SUPERSAMPLING = 4


def draw_frame(scene: Scene, progress: float, width: int, height: int) -> np.ndarray:
    """
    Args:
        scene ([`Scene`]): what happens.
        progress (`float`): share of the clip that is over, 0 to 1.
        width, height (`int`): of the frame, in pixels.

    Returns:
        `np.ndarray` of shape `(height, width, 3)`, uint8, RGB.
    """
    frame = _background(scene, width, height).copy()
    for actor in scene.actors:
        if actor.is_visible(progress):
            area, cover = _place(actor, progress, width, height)
            behind = frame[area].astype(np.float32)
            frame[area] = behind + (np.asarray(RGB[actor.color_at(progress)]) - behind) * cover[..., None]
    return frame


def draw_actor_indices(scene: Scene, progress: float, width: int, height: int) -> np.ndarray:
    """
    Which actor is seen at each pixel.

    Returns:
        `np.ndarray` of shape `(height, width)`, int64: indices into `scene.actors`, -1 for the background.
    """
    indices = np.full((height, width), -1)
    for index, actor in enumerate(scene.actors):
        if actor.is_visible(progress):
            area, cover = _place(actor, progress, width, height)
            indices[area][cover > 0.5] = index
    return indices


@lru_cache(maxsize=8)
def _background(scene: Scene, width: int, height: int) -> np.ndarray:
    shades = np.linspace(0, scene.fade, height)[:, None, None]
    rows = np.clip(np.asarray(scene.background) + shades, 0, 255)
    return np.broadcast_to(rows, (height, width, 3)).astype(np.uint8)


def _place(actor: Actor, progress: float, width: int, height: int) -> tuple[tuple[slice, slice], np.ndarray]:
    """The part of a frame that the actor's box takes, and how much of each pixel it covers there, 0 to 1."""
    stage = min(width, height)
    side = max(4, round(actor.size * stage))
    x, y = actor.center(progress)
    left = round((width - stage) / 2 + x * stage - side / 2)
    top = round((height - stage) / 2 + y * stage - side / 2)
    left, top = min(max(left, 0), width - side), min(max(top, 0), height - side)
    return (slice(top, top + side), slice(left, left + side)), _cover(actor.shape, side)


@lru_cache(maxsize=1024)
def _cover(shape: str, side: int) -> np.ndarray:
    """How much of each pixel of its box a shape covers, (side, side)."""
    number = side * _SUPERSAMPLING
    y, x = (np.mgrid[:number, :number] + 0.5) / number * 2 - 1  # -1 to 1
    inside = {
        "circle": x**2 + y**2 <= 1,
        "square": np.maximum(abs(x), abs(y)) <= 0.88,
        "triangle": (y <= 0.9) & (abs(x) <= (y + 1) / 1.9),
        "cross": (np.minimum(abs(x), abs(y)) <= 0.3) & (np.maximum(abs(x), abs(y)) <= 1),
        "ring": (x**2 + y**2 <= 1) & (x**2 + y**2 >= 0.3),
    }[shape]
    return inside.reshape(side, _SUPERSAMPLING, side, _SUPERSAMPLING).mean((1, 3))
