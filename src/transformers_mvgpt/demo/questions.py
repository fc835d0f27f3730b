# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Questions about a scene, and their answers."""

import random
from collections.abc import Iterator
from dataclasses import dataclass

from .scene import COLORS, DIRECTIONS, SHAPES, Actor, Scene, Split


QUESTION_TYPES = (
    "colour",
    "shape",
    "count",
    "direction",
    "order",
    "duration",
    "brief",
    "yes_no",
    "description",
)
# Which of them only the order of the frames tells. How long something is visible does not depend on it.
TIME_TYPES = ("direction", "order")

_NUMBERS = ("zero", "one", "two", "three")


@dataclass(frozen=True)
class Question:
    """
    Args:
        type (`str`): one of `QUESTION_TYPES`.
        text (`str`): the question.
        answer (`str`): the only right answer.
        options (`tuple[str, ...]`): the answers between which the question itself lets choose, in its order.
    """

    type: str
    text: str
    answer: str
    options: tuple[str, ...] = ()


def make_questions(scene: Scene, seed: int, split: Split = "train") -> list[Question]:
    """
    Every kind of question that the scene can answer, in random order and wording.
    """
    rng = random.Random(f"questions {split} {seed}")
    questions = [question for make in _MAKERS for question in make(scene, rng)]
    rng.shuffle(questions)
    return questions


def describe(scene: Scene) -> str:
    """What happens in the scene, one sentence for each actor, in the order of `SHAPES`."""
    return " ".join(map(describe_actor, sorted(scene.actors, key=lambda actor: SHAPES.index(actor.shape))))


def describe_actor(actor: Actor) -> str:
    """What it is and does, in a sentence."""
    if actor.behavior == "changes":
        return f"The {actor.shape} turns from {actor.color} to {actor.new_color}."
    does = {
        "stays": "stays",
        "moves": f"moves {actor.direction}",
        "appears": "appears",
        "vanishes": "vanishes",
        "visits": "comes and goes",
        "flashes": "flashes",
    }
    return f"The {actor.shape} is {actor.color} and {does[actor.behavior]}."


def article(word: str) -> str:
    """The indefinite article that goes before the word."""
    return "An" if word[0] in "aeiou" else "A"


def name_actor(actor: Actor, rng: random.Random) -> str:
    """An actor is known by its shape; one that keeps its color, by both as well."""
    if actor.behavior == "changes" or rng.random() < 0.5:
        return f"the {actor.shape}"
    return f"the {actor.color} {actor.shape}"


def make_choice(kind: str, template: str, options: tuple[str, str], answer: str, rng: random.Random) -> Question:
    """A question that names both its answers, in random order."""
    first, second = rng.sample(options, 2)
    return Question(kind, template.format(first, second), answer, (first, second))


def actors_that(scene: Scene, *behaviors: str) -> list[Actor]:
    """Those with one of the behaviors."""
    return [actor for actor in scene.actors if actor.behavior in behaviors]


def _color(scene: Scene, rng: random.Random) -> Iterator[Question]:
    if actors := [actor for actor in scene.actors if actor.behavior not in ("changes", "flashes")]:
        actor = rng.choice(actors)
        template = rng.choice(("What colour is the {}?", "Which colour does the {} have?"))
        yield Question("colour", template.format(actor.shape), actor.color)


def _shape(scene: Scene, rng: random.Random) -> Iterator[Question]:
    if actors := [actor for actor in scene.actors if actor.behavior not in ("changes", "flashes")]:
        actor = rng.choice(actors)
        template = rng.choice(("What shape is the {} object?", "Which shape is {}?"))
        yield Question("shape", template.format(actor.color), actor.shape)


def _count(scene: Scene, rng: random.Random) -> Iterator[Question]:
    text = rng.choice(("How many objects are there?", "How many objects can be seen in all?"))
    yield Question("count", text, _NUMBERS[len(scene.actors)])


def _direction(scene: Scene, rng: random.Random) -> Iterator[Question]:
    if actors := actors_that(scene, "moves"):
        actor = rng.choice(actors)
        assert actor.direction is not None
        template = rng.choice(("Does {} move {{}} or {{}}?", "Which way does {} move, {{}} or {{}}?"))
        axis = [name for name, (x, _) in DIRECTIONS.items() if bool(x) == bool(DIRECTIONS[actor.direction][0])]
        yield make_choice(
            "direction", template.format(name_actor(actor, rng)), (axis[0], axis[1]), actor.direction, rng
        )


def _order(scene: Scene, rng: random.Random) -> Iterator[Question]:
    if len(visitors := actors_that(scene, "visits")) == 2:
        first, second = sorted(visitors, key=lambda actor: actor.enters)
        names = name_actor(first, rng), name_actor(second, rng)
        template, index = rng.choice(
            (
                ("What appears first, {} or {}?", 0),
                ("What vanishes first, {} or {}?", 0),
                ("What appears last, {} or {}?", 1),
            )
        )
        yield make_choice("order", template, names, names[index], rng)
        index = rng.randrange(2)
        text = f"Does {names[index]} appear before or after {names[1 - index]}?"
        yield Question("order", text, ("before", "after")[index], ("before", "after"))
    if actors := actors_that(scene, "changes"):
        actor = rng.choice(actors)
        colors = (actor.color, actor.new_color or "")
        options = (f"from {colors[0]} to {colors[1]}", f"from {colors[1]} to {colors[0]}")
        yield make_choice("order", f"Does the {actor.shape} turn {{}} or {{}}?", options, options[0], rng)
    if actors := actors_that(scene, "appears", "vanishes"):
        actor = rng.choice(actors)
        answer = actor.behavior.removesuffix("s") if actor.behavior == "appears" else "vanish"
        yield make_choice("order", f"Does {name_actor(actor, rng)} {{}} or {{}}?", ("appear", "vanish"), answer, rng)


def _duration(scene: Scene, rng: random.Random) -> Iterator[Question]:
    if actors := actors_that(scene, "appears", "vanishes"):  # visits are short without exception
        actor = rng.choice(actors)
        answer = "more" if actor.leaves - actor.enters > 0.5 else "less"
        template = f"Is {name_actor(actor, rng)} visible for {{}} or {{}} than half of the video?"
        yield make_choice("duration", template, ("more", "less"), answer, rng)


def _brief(scene: Scene, rng: random.Random) -> Iterator[Question]:
    for actor in actors_that(scene, "flashes"):
        text = rng.choice(("What flashes?", "What is seen only for a moment?"))
        yield Question("brief", text, f"the {actor.color} {actor.shape}")


def _presence(scene: Scene, rng: random.Random) -> Iterator[Question]:
    steady = [actor for actor in scene.actors if actor.behavior != "changes"]
    if steady:
        present = {(actor.color, actor.shape) for actor in steady}
        present |= {(actor.new_color or actor.color, actor.shape) for actor in scene.actors}
        present |= {(actor.color, actor.shape) for actor in scene.actors}
        actor = rng.choice(steady)
        color, shape = actor.color, actor.shape
        # one of the two is wrong, so that neither alone tells
        absent = [(other, shape) for other in COLORS] + [(color, other) for other in SHAPES]
        absent = [pair for pair in absent if pair not in present]
        is_there = rng.random() < 0.5
        pair = (color, shape) if is_there else rng.choice(absent)
        yield Question(
            "yes_no", f"Is there {article(pair[0]).lower()} {pair[0]} {pair[1]}?", "yes" if is_there else "no"
        )


def _happening(scene: Scene, rng: random.Random) -> Iterator[Question]:
    actor = rng.choice(scene.actors)
    if actor.behavior in ("moves", "stays", "appears", "vanishes"):
        text = f"Does {name_actor(actor, rng)} move?"
        yield Question("yes_no", text, "yes" if actor.behavior == "moves" else "no")
    if rng.random() < 0.5:
        yield Question("yes_no", "Does anything flash?", "yes" if actors_that(scene, "flashes") else "no")


def make_description(scene: Scene, rng: random.Random) -> Iterator[Question]:
    """One question, which asks for [`describe`]."""
    yield Question("description", rng.choice(("Describe the video.", "What happens in the video?")), describe(scene))


PICTURE_MAKERS = (_color, _shape, _count, _presence)
EVENT_MAKERS = (_direction, _order, _duration, _brief, _happening)
_MAKERS = (*PICTURE_MAKERS, *EVENT_MAKERS, make_description)
