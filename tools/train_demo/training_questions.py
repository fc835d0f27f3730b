# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Questions for training: many about a scene, also about a single picture of it, and some on which nobody is tested."""

import random
from collections.abc import Iterator
from typing import Literal

from transformers_mvgpt.demo.questions import (
    EVENT_MAKERS,
    PICTURE_MAKERS,
    Question,
    actors_that,
    article,
    describe_actor,
    make_choice,
    make_description,
    name_actor,
)
from transformers_mvgpt.demo.scene import SHAPES, Scene


MOMENT_QUESTION = "What is in the image?"

# What is asked about in training.
Subject = Literal["clip", "picture", "events"]

# When a moment may be, as shares of the duration: where the sampled frames end differs from clip to clip.
_MOMENTS = {"at the start": (0.0,), "halfway": (0.37, 0.42, 0.47, 0.53), "at the end": (0.76, 1.0)}
# Before the first share of the duration, the middle of a visit is early, after the second it is late.
_EARLY = (0.34, 0.46)
_CLEAR = 0.08  # so far from the middle that a half is no close call


def make_training_questions(
    scene: Scene, seed: int, max_questions: int = 10, *, about: Subject = "clip"
) -> list[Question]:
    """
    Several draws of [`make_questions`], and in half of the lists a description.

    Args:
        scene ([`Scene`]): what is asked about.
        seed (`int`): decides what is asked.
        max_questions (`int`): as many at most, without the description.
        about (`str`, defaults to `"clip"`): `"picture"` if only the first frame is seen: nothing is asked about events.
            `"events"` asks about little else, and always for a description.
    """
    rng = random.Random(f"training questions {seed}")
    # what single pictures teach as well is asked less often about a clip
    num_draws = {"picture": (4, 0), "clip": (2, 4), "events": (1, 4)}[about]
    makers = num_draws[0] * PICTURE_MAKERS + num_draws[1] * EVENT_MAKERS
    drawn = [question for make in makers for question in make(scene, rng)]
    questions = list({question.text: question for question in drawn}.values())
    rng.shuffle(questions)
    questions = questions[:max_questions]
    if about == "events" or rng.random() < 0.5:  # a long answer would outweigh all others
        moment = [Question("description", MOMENT_QUESTION, describe_moment(scene, 0.0))]
        [told] = moment if about == "picture" else make_description(scene, rng)
        questions.insert(rng.randrange(len(questions) + 1), told)
    return questions


def make_practice_questions(scene: Scene, seed: int) -> list[Question]:
    """
    What the other questions take for granted: where something is and when it is there. Nobody is tested on it.
    """
    rng = random.Random(f"practice {seed}")
    makers = 2 * (_sight, _time, _place, _moment_color)
    drawn = [question for make in makers for question in make(scene, rng)]
    drawn += [
        Question("practice", f"What does the {actor.shape} do?", describe_actor(actor)) for actor in scene.actors
    ]
    return list({question.text: question for question in drawn}.values())


def describe_moment(scene: Scene, progress: float) -> str:
    """What is seen in a single frame, in the order of `SHAPES`."""
    visible = [actor for actor in scene.actors if actor.is_visible(progress)]
    names = [(actor.color_at(progress), actor.shape) for actor in visible]
    names.sort(key=lambda name: SHAPES.index(name[1]))
    if not names:
        return "Nothing."
    text = ", ".join(f"{article(color).lower()} {color} {shape}" for color, shape in names)
    return f"{text[0].upper()}{text[1:]}."


def _sight(scene: Scene, rng: random.Random) -> Iterator[Question]:
    if actors := actors_that(scene, "appears", "vanishes", "visits"):
        actor, moment = rng.choice(actors), rng.choice(list(_MOMENTS))
        seen = {actor.is_visible(progress) for progress in _MOMENTS[moment]}
        if len(seen) == 1:
            yield Question(
                "practice", f"Is {name_actor(actor, rng)} there {moment}?", "yes" if seen == {True} else "no"
            )


def _time(scene: Scene, rng: random.Random) -> Iterator[Question]:
    if actors := actors_that(scene, "visits"):
        actor = rng.choice(actors)
        middle = (actor.enters + actor.leaves) / 2
        if not _EARLY[0] < middle < _EARLY[1]:
            answer = "early" if middle <= _EARLY[0] else "late"
            yield make_choice(
                "practice", f"Is {name_actor(actor, rng)} seen {{}} or {{}}?", ("early", "late"), answer, rng
            )


def _place(scene: Scene, rng: random.Random) -> Iterator[Question]:
    is_still = all(actor.behavior == "stays" for actor in scene.actors)
    axis, names = rng.choice(((0, ("left", "right")), (1, ("upper", "lower"))))
    moment = "at the start" if is_still else rng.choice(list(_MOMENTS))
    actor = rng.choice(scene.actors)
    if all(actor.is_visible(progress) for progress in _MOMENTS[moment]):
        places = [actor.center(progress)[axis] - 0.5 for progress in _MOMENTS[moment]]
        if min(places) > _CLEAR or max(places) < -_CLEAR:
            when = "" if is_still else f" {moment}"
            template = f"Is {name_actor(actor, rng)} in the {{}} or the {{}} half{when}?"
            yield make_choice("practice", template, names, names[places[0] > 0], rng)


def _moment_color(scene: Scene, rng: random.Random) -> Iterator[Question]:
    if actors := actors_that(scene, "changes"):
        actor, moment = rng.choice(actors), rng.choice(("at the start", "at the end"))
        yield Question("practice", f"What colour is the {actor.shape} {moment}?", actor.color_at(_MOMENTS[moment][0]))
