# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Drawn pictures, and what can be asked about one: colors, shapes, counts, and where things are."""

import random
from collections.abc import Iterator
from itertools import product
from typing import Literal

from transformers_mvgpt.demo.questions import PICTURE_MAKERS, Question, make_choice, name_actor
from transformers_mvgpt.demo.scene import COLORS, SHAPES, Scene, make_still


STILL_TYPES = ("colour", "shape", "count", "yes_no", "half", "beside", "above")
# In the test alone, one color for each shape: a model that answers about these has not learned by heart what has which color.
HELD_OUT_PAIRS = frozenset(
    (color, shape)
    for (i, color), (j, shape) in product(enumerate(COLORS), enumerate(SHAPES))
    if (i + 2 * j) % len(COLORS) == 0
)

# Shares of the stage's side: what lies closer than this to a border between two answers is not asked about.
_CLEAR = 0.12
_HELD_OUT_SHARE = 0.5
# Scenes of the two splits come from seeds that are this far apart.
_TEST_SEEDS = 1_000_000_000
_SEEDS_PER_SCENE = 64


def make_picture(seed: int, split: Literal["train", "test"] = "train") -> Scene:
    """The scene of this seed. Pairs of `HELD_OUT_PAIRS` occur in the split "test" alone, in about half of its scenes."""
    is_test = split == "test"
    wants_held_out = is_test and random.Random(f"pair {seed}").random() < _HELD_OUT_SHARE
    first = _SEEDS_PER_SCENE * seed + _TEST_SEEDS * is_test
    for attempt in range(first, first + _SEEDS_PER_SCENE):
        scene = make_still(attempt)
        pairs = {(actor.color, actor.shape) for actor in scene.actors}
        if bool(pairs & HELD_OUT_PAIRS) == wants_held_out:
            return scene
    raise ValueError(f"No picture of seed {seed} is as it should be.")


def make_still_questions(scene: Scene, seed: int, num_draws: int = 1) -> list[Question]:
    """
    Every kind of question that the picture can answer, in random order and wording.

    Args:
        scene ([`Scene`]): in which nothing happens.
        seed (`int`): decides what is asked.
        num_draws (`int`): how often each kind is asked; the same question is not asked twice.
    """
    rng = random.Random(f"still questions {seed}")
    makers = num_draws * (*PICTURE_MAKERS, _half, _beside)
    drawn = [question for make in makers for question in make(scene, rng)]
    questions = list({question.text: question for question in drawn}.values())
    rng.shuffle(questions)
    return questions


def _half(scene: Scene, rng: random.Random) -> Iterator[Question]:
    axis, names = rng.choice(((0, ("left", "right")), (1, ("upper", "lower"))))
    actor = rng.choice(scene.actors)
    place = actor.center(0.0)[axis] - 0.5
    if abs(place) > _CLEAR:
        template = f"Is {name_actor(actor, rng)} in the {{}} or the {{}} half?"
        yield make_choice("half", template, names, names[place > 0], rng)


def _beside(scene: Scene, rng: random.Random) -> Iterator[Question]:
    if len(scene.actors) < 2:
        return
    one, other = rng.sample(scene.actors, 2)
    names = name_actor(one, rng), name_actor(other, rng)
    (x, y), (other_x, other_y) = one.center(0.0), other.center(0.0)
    if abs(x - other_x) > _CLEAR:
        options = ("left", "right")
        template = f"Is {names[0]} to the {{}} or the {{}} of {names[1]}?"
        yield make_choice("beside", template, options, options[x > other_x], rng)
    if abs(y - other_y) > _CLEAR:
        options = ("above", "below")
        yield make_choice("above", f"Is {names[0]} {{}} or {{}} {names[1]}?", options, options[y > other_y], rng)
