# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
Drawn clips in which something happens in exactly one of the sampled frames: a shape flashes up beside others that stay, or of
which one moves all the time.

    sampled frames    |     |     |     |     |     |
    the shape is seen               ###
"""

import random
from dataclasses import dataclass, replace
from itertools import count

from transformers_mvgpt.demo.drawn_clip import Clip
from transformers_mvgpt.demo.scene import COLORS, SHAPES, Actor, Scene, draw_background


NUM_FRAMES = 121
FPS = 12
WIDTH, HEIGHT = 192, 108
_DISTANCE = 0.45  # at least, between the centers of two shapes


@dataclass(frozen=True)
class RareClip:
    """
    Args:
        clip ([`Clip`]): the clip, without questions.
        position (`int`): in which of the sampled frames something happens.
    """

    clip: Clip
    position: int


def make_rare_clip(seed: int, sampled: list[int], *, moves: bool) -> RareClip:
    """
    The clip of this seed, the same everywhere.

    Args:
        seed (`int`): decides everything else.
        sampled (`list[int]`): which frames of a clip of `NUM_FRAMES` frames a model samples.
        moves (`bool`): whether another shape moves all the time.
    """
    rng = random.Random(f"rare {moves} {seed}")
    position = rng.randrange(len(sampled))
    shapes, colors = rng.sample(SHAPES, 3), rng.sample(COLORS, 3)
    times = [index / (NUM_FRAMES - 1) for index in sampled]
    gap = min(later - earlier for earlier, later in zip(times, times[1:], strict=False))
    for _ in count():
        actors = [
            Actor(shape, color, "stays", size := rng.uniform(0.26, 0.34), place := _place(rng, size), place)
            for shape, color in zip(shapes, colors, strict=True)
        ][: rng.randint(2, 3)]
        if moves:
            size = actors[0].size
            actors[0] = replace(actors[0], behavior="moves", direction="right", end=_place(rng, size))
        enters = times[position] - gap / 2
        rare = replace(actors[-1], behavior="flashes", enters=enters, leaves=enters + gap)
        actors[-1] = rare
        if _are_apart(actors, times):
            break
    scene = Scene(tuple(actors), *draw_background(rng))
    return RareClip(Clip(scene, [], WIDTH, HEIGHT, FPS, NUM_FRAMES), position)


def _place(rng: random.Random, size: float) -> tuple[float, float]:
    return rng.uniform(size / 2, 1 - size / 2), rng.uniform(size / 2, 1 - size / 2)


def _are_apart(actors: list[Actor], times: list[float]) -> bool:
    for number, one in enumerate(actors):
        for other in actors[number + 1 :]:
            for time in times:
                (x, y), (u, v) = one.center(time), other.center(time)
                if (x - u) ** 2 + (y - v) ** 2 < _DISTANCE**2:
                    return False
    return True
