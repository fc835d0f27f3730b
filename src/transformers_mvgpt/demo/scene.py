# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
What happens in a drawn clip: up to three colored shapes that stay, move, appear, vanish, come and go, change color or
flash.

Questions about the order of events must not be answerable from frames in any order. So a scene is as likely as the one
that runs backwards: how long a shape is visible, and what is visible beside it, say nothing about what came first.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations, product
from typing import Literal


COLORS = ("red", "green", "blue", "yellow", "purple", "orange", "white")
SHAPES = ("circle", "square", "triangle", "cross", "ring")
DIRECTIONS = {"left": (-1, 0), "right": (1, 0), "up": (0, -1), "down": (0, 1)}
EVENTS = (*DIRECTIONS, "appears", "vanishes", "visits", "changes", "flashes")
# In the test split alone, one color for each shape and event: a model that answers about these has not learned by heart
# what does what.
HELD_OUT = frozenset(
    (color, shape, event)
    for (i, color), (j, shape), (k, event) in product(enumerate(COLORS), enumerate(SHAPES), enumerate(EVENTS))
    if (i + 2 * j + 3 * k) % len(COLORS) == 0
)

Split = Literal["train", "validation", "test"]
Behavior = Literal["stays", "moves", "appears", "vanishes", "visits", "changes", "flashes"]

MAX_ACTORS = 3
# Shares of the duration. The sampled frames may end at three quarters of a clip, and lie 1/15 apart at most: nothing
# happens later, events are more than two sampled frames apart, and a flash is seen in one or two of them.
_LAST_EVENT = 0.72
_EVENT_GAP = 0.15
_FLASH = 0.08
_VISIT = (0.22, 0.45)
_TIMES = [index / 19 for index in range(20)]


@dataclass(frozen=True)
class Actor:
    """
    Args:
        shape (`str`): one of `SHAPES`; no two actors of a scene share it.
        color (`str`): one of `COLORS`; no two actors of a scene share it either.
        behavior (`str`): what it does.
        size (`float`): height and width, as a share of the stage's side.
        start, end (`tuple[float, float]`): center (x, y) on the stage, 0 to 1, at the start and the end of the clip.
        enters, leaves (`float`): when it is visible, as shares of the duration.
        direction (`str`, *optional*): where it moves.
        changes_at (`float`, *optional*): when it takes the color `new_color`.
    """

    shape: str
    color: str
    behavior: Behavior
    size: float
    start: tuple[float, float]
    end: tuple[float, float]
    enters: float = 0.0
    leaves: float = 1.0
    direction: str | None = None
    changes_at: float | None = None
    new_color: str | None = None

    @property
    def deed(self) -> str:
        """`"stays"` or one of `EVENTS`."""
        return self.direction or self.behavior

    def is_visible(self, progress: float) -> bool:
        """Whether it is on the stage when the share `progress` of the clip is over."""
        return self.enters <= progress and (progress < self.leaves or self.leaves == 1.0)

    def center(self, progress: float) -> tuple[float, float]:
        """Where it is then, (x, y)."""
        (x0, y0), (x1, y1) = self.start, self.end
        return x0 + (x1 - x0) * progress, y0 + (y1 - y0) * progress

    def color_at(self, progress: float) -> str:
        """Its color then."""
        is_changed = self.changes_at is not None and self.new_color is not None and progress >= self.changes_at
        return self.new_color if is_changed else self.color  # type: ignore[return-value]


@dataclass(frozen=True)
class Scene:
    """
    Args:
        actors (`tuple[Actor, ...]`): from the one behind all others to the one in front.
        background (`tuple[int, int, int]`): RGB of the upper edge; it gets `fade` brighter towards the lower one.
        fade (`int`): levels from 0 to 255.
    """

    actors: tuple[Actor, ...]
    background: tuple[int, int, int]
    fade: int


def make_scene(seed: int, split: Split = "train") -> Scene:
    """
    The scene of this seed, the same everywhere. What is in `HELD_OUT` occurs in the split "test" alone, in about half of its
    scenes.

    Raises:
        ValueError: if there is no such split.
    """
    if split not in ("train", "validation", "test"):
        raise ValueError(f"`split` ({split!r}) must be 'train', 'validation' or 'test'.")
    rng = random.Random(f"{split} {seed}")  # a text is hashed by its content
    behaviors = _draw_behaviors(rng, _draw_count(rng))
    wants_held_out = split == "test" and rng.random() < 0.55 and set(behaviors) != {"stays"}
    return _draw_scene(rng, behaviors, wants_held_out)


def make_still(seed: int) -> Scene:
    """A training scene in which nothing happens."""
    rng = random.Random(f"still {seed}")
    return _draw_scene(rng, ["stays"] * _draw_count(rng), wants_held_out=False)


def make_busy_scene(seed: int) -> Scene:
    """A training scene of more actors than others have, of which two come and go, or one flashes, more often."""
    rng = random.Random(f"busy {seed}")
    [count] = rng.choices(range(1, MAX_ACTORS + 1), (10, 45, 45))
    behaviors = _draw_behaviors(rng, count, visits_share=0.45, flash_share=0.4)
    return _draw_scene(rng, behaviors, wants_held_out=False)


def _draw_scene(rng: random.Random, behaviors: list[Behavior], wants_held_out: bool) -> Scene:
    while True:
        actors = _draw_actors(rng, behaviors)
        shown = {combination for actor in actors for combination in _combinations(actor)}
        if bool(shown & HELD_OUT) == wants_held_out and _is_readable(actors):
            return Scene(actors, *draw_background(rng))


def draw_background(rng: random.Random) -> tuple[tuple[int, int, int], int]:
    """A dark RGB color, and how much brighter the lower edge is."""
    level = rng.randint(25, 120)
    red, green, blue = (level + rng.randint(-12, 12) for _ in range(3))
    return (red, green, blue), rng.randint(-20, 30)


def _combinations(actor: Actor) -> Iterator[tuple[str, str, str]]:
    yield actor.color, actor.shape, actor.deed
    if actor.new_color is not None:
        yield actor.new_color, actor.shape, actor.deed


def _draw_count(rng: random.Random) -> int:
    return rng.choices(range(1, MAX_ACTORS + 1), (30, 50, 20))[0]


def _draw_behaviors(
    rng: random.Random, count: int, visits_share: float = 0.35, flash_share: float = 0.25
) -> list[Behavior]:
    behaviors: list[Behavior] = []
    if count >= 2 and rng.random() < visits_share:
        behaviors += ["visits", "visits"]
    if len(behaviors) < count and rng.random() < flash_share:
        behaviors.append("flashes")
    others: tuple[Behavior, ...] = ("moves", "changes", "appears", "vanishes", "stays")
    while len(behaviors) < count:
        [behavior] = rng.choices(others, (46, 17, 14, 14, 9))
        # each of them needs a second color
        if behavior != "changes" or behaviors.count("changes") < 2:
            behaviors.append(behavior)
    rng.shuffle(behaviors)
    return behaviors


def _draw_actors(rng: random.Random, behaviors: list[Behavior]) -> tuple[Actor, ...]:
    count = len(behaviors)
    shapes, colors = rng.sample(SHAPES, count), rng.sample(COLORS, len(COLORS))
    visits = iter(_draw_visits(rng) if "visits" in behaviors else [])
    actors = []
    for behavior, shape in zip(behaviors, shapes, strict=True):
        size = rng.uniform(0.26, 0.34)
        start = end = (rng.uniform(size / 2, 1 - size / 2), rng.uniform(size / 2, 1 - size / 2))
        details: dict = {}
        if behavior == "moves":
            details["direction"] = rng.choice(list(DIRECTIONS))
            start, end = _draw_path(rng, size, DIRECTIONS[details["direction"]])
        elif behavior == "changes":
            details = {"changes_at": rng.uniform(0.28, 0.62), "new_color": colors.pop()}
        elif behavior == "appears":
            details["enters"] = _draw_event(rng)
        elif behavior == "vanishes":
            details["leaves"] = _draw_event(rng)
        elif behavior == "visits":
            details["enters"], details["leaves"] = next(visits)
        elif behavior == "flashes":
            details["enters"] = rng.uniform(0.1, 0.62)
            details["leaves"] = details["enters"] + _FLASH
        actors.append(Actor(shape, colors.pop(), behavior, size, start, end, **details))
    return tuple(actors)


def _draw_event(rng: random.Random) -> float:
    """Early or late: whether something is visible for more than half of the time is never a close call."""
    return rng.uniform(0.2, 0.34) if rng.random() < 0.5 else rng.uniform(0.62, _LAST_EVENT)


def _draw_visits(rng: random.Random) -> list[tuple[float, float]]:
    """When two actors come and go. Neither is there all the time of the other, or the longer visit came first."""
    while True:
        first, second = (sorted(rng.uniform(0.08, _LAST_EVENT) for _ in range(2)) for _ in range(2))
        gaps = (second[0] - first[0], second[1] - first[1], first[1] - first[0], second[1] - second[0])
        if min(gaps[:2]) >= _EVENT_GAP and _VISIT[0] <= min(gaps[2:]) and max(gaps[2:]) <= _VISIT[1]:
            visits = [(first[0], first[1]), (second[0], second[1])]
            rng.shuffle(visits)
            return visits


def _draw_path(
    rng: random.Random, size: float, direction: tuple[int, int]
) -> tuple[tuple[float, float], tuple[float, float]]:
    distance = rng.uniform(0.5, 1 - size)
    low = rng.uniform(size / 2, 1 - size / 2 - distance)
    across = rng.uniform(size / 2, 1 - size / 2)
    ends = (low, low + distance) if sum(direction) > 0 else (low + distance, low)
    if direction[0]:
        return (ends[0], across), (ends[1], across)
    return (across, ends[0]), (across, ends[1])


def _is_readable(actors: tuple[Actor, ...]) -> bool:
    """Shapes may pass behind each other, but none is hidden for long, nor one that is there for a short time."""
    for one, other in combinations(actors, 2):
        behaviors = {one.behavior, other.behavior}
        if "moves" not in behaviors:
            if _overlap(one, other, 0.0) > 0.02 and any(one.is_visible(t) and other.is_visible(t) for t in _TIMES):
                return False
            continue
        overlaps = [_overlap(one, other, t) for t in _TIMES if one.is_visible(t) and other.is_visible(t)]
        if sum(overlap > 0.25 for overlap in overlaps) > 5 or sum(overlap > 0.02 for overlap in overlaps) > 8:
            return False
        if behaviors & {"visits", "flashes"} and any(overlap > 0.02 for overlap in overlaps):
            return False
    return True


def _overlap(one: Actor, other: Actor, progress: float) -> float:
    """Shared area of the two boxes, as a share of the smaller one."""
    sides = []
    for a, b in zip(one.center(progress), other.center(progress), strict=True):
        sides.append(max(0.0, (one.size + other.size) / 2 - abs(a - b)))
    return min(sides[0], one.size, other.size) * min(sides[1], one.size, other.size) / min(one.size, other.size) ** 2
