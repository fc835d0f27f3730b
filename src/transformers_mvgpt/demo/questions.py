# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Questions about a scene, and their answers."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from .scene import COLOURS, DIRECTIONS, SHAPES, Actor, Scene, Split


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

MOMENT_QUESTION = "What is in the image?"

# What is asked about in training.
Subject = Literal["clip", "picture", "events"]

# When a moment may be, as shares of the duration: where the sampled frames end differs from clip to clip.
_MOMENTS = {"at the start": (0.0,), "halfway": (0.37, 0.42, 0.47, 0.53), "at the end": (0.76, 1.0)}
# Before the first share of the duration, the middle of a visit is early, after the second it is late.
_EARLY = (0.34, 0.46)
_CLEAR = 0.08  # so far from the middle that a half is no close call

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
    makers = num_draws[0] * _PICTURE_MAKERS + num_draws[1] * _EVENT_MAKERS
    drawn = [question for make in makers for question in make(scene, rng)]
    questions = list({question.text: question for question in drawn}.values())
    rng.shuffle(questions)
    questions = questions[:max_questions]
    if about == "events" or rng.random() < 0.5:  # a long answer would outweigh all others
        moment = [Question("description", MOMENT_QUESTION, describe_moment(scene, 0.0))]
        [told] = moment if about == "picture" else _description(scene, rng)
        questions.insert(rng.randrange(len(questions) + 1), told)
    return questions


def make_practice_questions(scene: Scene, seed: int) -> list[Question]:
    """
    What the other questions take for granted: where something is and when it is there. Nobody is tested on it.
    """
    rng = random.Random(f"practice {seed}")
    makers = 2 * (_sight, _time, _place, _moment_colour)
    drawn = [question for make in makers for question in make(scene, rng)]
    drawn += [Question("practice", f"What does the {actor.shape} do?", _sentence(actor)) for actor in scene.actors]
    return list({question.text: question for question in drawn}.values())


def describe(scene: Scene) -> str:
    """What happens in the scene, one sentence for each actor, in the order of `SHAPES`."""
    return " ".join(map(_sentence, sorted(scene.actors, key=lambda actor: SHAPES.index(actor.shape))))


def _sentence(actor: Actor) -> str:
    if actor.behaviour == "changes":
        return f"The {actor.shape} turns from {actor.colour} to {actor.new_colour}."
    does = {
        "stays": "stays",
        "moves": f"moves {actor.direction}",
        "appears": "appears",
        "vanishes": "vanishes",
        "visits": "comes and goes",
        "flashes": "flashes",
    }
    return f"The {actor.shape} is {actor.colour} and {does[actor.behaviour]}."


def _a(word: str) -> str:
    return "An" if word[0] in "aeiou" else "A"


def _name(actor: Actor, rng: random.Random) -> str:
    """An actor is known by its shape; one that keeps its colour, by both as well."""
    if actor.behaviour == "changes" or rng.random() < 0.5:
        return f"the {actor.shape}"
    return f"the {actor.colour} {actor.shape}"


def _choice(kind: str, template: str, options: tuple[str, str], answer: str, rng: random.Random) -> Question:
    """A question that names both its answers, in random order."""
    first, second = rng.sample(options, 2)
    return Question(kind, template.format(first, second), answer, (first, second))


def _lasting(scene: Scene, *behaviours: str) -> list[Actor]:
    return [actor for actor in scene.actors if actor.behaviour in behaviours]


def _colour(scene: Scene, rng: random.Random) -> Iterator[Question]:
    if actors := [actor for actor in scene.actors if actor.behaviour not in ("changes", "flashes")]:
        actor = rng.choice(actors)
        template = rng.choice(("What colour is the {}?", "Which colour does the {} have?"))
        yield Question("colour", template.format(actor.shape), actor.colour)


def _shape(scene: Scene, rng: random.Random) -> Iterator[Question]:
    if actors := [actor for actor in scene.actors if actor.behaviour not in ("changes", "flashes")]:
        actor = rng.choice(actors)
        template = rng.choice(("What shape is the {} object?", "Which shape is {}?"))
        yield Question("shape", template.format(actor.colour), actor.shape)


def _count(scene: Scene, rng: random.Random) -> Iterator[Question]:
    text = rng.choice(("How many objects are there?", "How many objects can be seen in all?"))
    yield Question("count", text, _NUMBERS[len(scene.actors)])


def _direction(scene: Scene, rng: random.Random) -> Iterator[Question]:
    if actors := _lasting(scene, "moves"):
        actor = rng.choice(actors)
        assert actor.direction is not None
        template = rng.choice(("Does {} move {{}} or {{}}?", "Which way does {} move, {{}} or {{}}?"))
        axis = [name for name, (x, _) in DIRECTIONS.items() if bool(x) == bool(DIRECTIONS[actor.direction][0])]
        yield _choice("direction", template.format(_name(actor, rng)), (axis[0], axis[1]), actor.direction, rng)


def _order(scene: Scene, rng: random.Random) -> Iterator[Question]:
    if len(visitors := _lasting(scene, "visits")) == 2:
        first, second = sorted(visitors, key=lambda actor: actor.enters)
        names = _name(first, rng), _name(second, rng)
        template, index = rng.choice(
            (
                ("What appears first, {} or {}?", 0),
                ("What vanishes first, {} or {}?", 0),
                ("What appears last, {} or {}?", 1),
            )
        )
        yield _choice("order", template, names, names[index], rng)
        index = rng.randrange(2)
        text = f"Does {names[index]} appear before or after {names[1 - index]}?"
        yield Question("order", text, ("before", "after")[index], ("before", "after"))
    if actors := _lasting(scene, "changes"):
        actor = rng.choice(actors)
        colours = (actor.colour, actor.new_colour or "")
        options = (f"from {colours[0]} to {colours[1]}", f"from {colours[1]} to {colours[0]}")
        yield _choice("order", f"Does the {actor.shape} turn {{}} or {{}}?", options, options[0], rng)
    if actors := _lasting(scene, "appears", "vanishes"):
        actor = rng.choice(actors)
        answer = actor.behaviour.removesuffix("s") if actor.behaviour == "appears" else "vanish"
        yield _choice("order", f"Does {_name(actor, rng)} {{}} or {{}}?", ("appear", "vanish"), answer, rng)


def _duration(scene: Scene, rng: random.Random) -> Iterator[Question]:
    if actors := _lasting(scene, "appears", "vanishes"):  # visits are short without exception
        actor = rng.choice(actors)
        answer = "more" if actor.leaves - actor.enters > 0.5 else "less"
        template = f"Is {_name(actor, rng)} visible for {{}} or {{}} than half of the video?"
        yield _choice("duration", template, ("more", "less"), answer, rng)


def _brief(scene: Scene, rng: random.Random) -> Iterator[Question]:
    for actor in _lasting(scene, "flashes"):
        text = rng.choice(("What flashes?", "What is seen only for a moment?"))
        yield Question("brief", text, f"the {actor.colour} {actor.shape}")


def _presence(scene: Scene, rng: random.Random) -> Iterator[Question]:
    steady = [actor for actor in scene.actors if actor.behaviour != "changes"]
    if steady:
        present = {(actor.colour, actor.shape) for actor in steady}
        present |= {(actor.new_colour or actor.colour, actor.shape) for actor in scene.actors}
        present |= {(actor.colour, actor.shape) for actor in scene.actors}
        actor = rng.choice(steady)
        colour, shape = actor.colour, actor.shape
        # one of the two is wrong, so that neither alone tells
        absent = [(other, shape) for other in COLOURS] + [(colour, other) for other in SHAPES]
        absent = [pair for pair in absent if pair not in present]
        is_there = rng.random() < 0.5
        pair = (colour, shape) if is_there else rng.choice(absent)
        yield Question("yes_no", f"Is there {_a(pair[0]).lower()} {pair[0]} {pair[1]}?", "yes" if is_there else "no")


def _happening(scene: Scene, rng: random.Random) -> Iterator[Question]:
    actor = rng.choice(scene.actors)
    if actor.behaviour in ("moves", "stays", "appears", "vanishes"):
        text = f"Does {_name(actor, rng)} move?"
        yield Question("yes_no", text, "yes" if actor.behaviour == "moves" else "no")
    if rng.random() < 0.5:
        yield Question("yes_no", "Does anything flash?", "yes" if _lasting(scene, "flashes") else "no")


def _description(scene: Scene, rng: random.Random) -> Iterator[Question]:
    yield Question("description", rng.choice(("Describe the video.", "What happens in the video?")), describe(scene))


def _sight(scene: Scene, rng: random.Random) -> Iterator[Question]:
    if actors := _lasting(scene, "appears", "vanishes", "visits"):
        actor, moment = rng.choice(actors), rng.choice(list(_MOMENTS))
        seen = {actor.is_visible(progress) for progress in _MOMENTS[moment]}
        if len(seen) == 1:
            yield Question("practice", f"Is {_name(actor, rng)} there {moment}?", "yes" if seen == {True} else "no")


def _time(scene: Scene, rng: random.Random) -> Iterator[Question]:
    if actors := _lasting(scene, "visits"):
        actor = rng.choice(actors)
        middle = (actor.enters + actor.leaves) / 2
        if not _EARLY[0] < middle < _EARLY[1]:
            answer = "early" if middle <= _EARLY[0] else "late"
            yield _choice("practice", f"Is {_name(actor, rng)} seen {{}} or {{}}?", ("early", "late"), answer, rng)


def _place(scene: Scene, rng: random.Random) -> Iterator[Question]:
    is_still = all(actor.behaviour == "stays" for actor in scene.actors)
    axis, names = rng.choice(((0, ("left", "right")), (1, ("upper", "lower"))))
    moment = "at the start" if is_still else rng.choice(list(_MOMENTS))
    actor = rng.choice(scene.actors)
    if all(actor.is_visible(progress) for progress in _MOMENTS[moment]):
        places = [actor.centre(progress)[axis] - 0.5 for progress in _MOMENTS[moment]]
        if min(places) > _CLEAR or max(places) < -_CLEAR:
            when = "" if is_still else f" {moment}"
            template = f"Is {_name(actor, rng)} in the {{}} or the {{}} half{when}?"
            yield _choice("practice", template, names, names[places[0] > 0], rng)


def _moment_colour(scene: Scene, rng: random.Random) -> Iterator[Question]:
    if actors := _lasting(scene, "changes"):
        actor, moment = rng.choice(actors), rng.choice(("at the start", "at the end"))
        yield Question("practice", f"What colour is the {actor.shape} {moment}?", actor.colour_at(_MOMENTS[moment][0]))


_PICTURE_MAKERS = (_colour, _shape, _count, _presence)
_EVENT_MAKERS = (_direction, _order, _duration, _brief, _happening)
_MAKERS = (*_PICTURE_MAKERS, *_EVENT_MAKERS, _description)


def describe_moment(scene: Scene, progress: float) -> str:
    """What is seen in a single frame, in the order of `SHAPES`."""
    visible = [actor for actor in scene.actors if actor.is_visible(progress)]
    names = [(actor.colour_at(progress), actor.shape) for actor in visible]
    names.sort(key=lambda name: SHAPES.index(name[1]))
    if not names:
        return "Nothing."
    text = ", ".join(f"{_a(colour).lower()} {colour} {shape}" for colour, shape in names)
    return f"{text[0].upper()}{text[1:]}."
