# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
from itertools import product

import pytest

from transformers_mvgpt.demo.scene import COLORS, EVENTS, HELD_OUT, SHAPES, make_busy_scene, make_scene, make_still


def combinations(scene):
    return {(color, a.shape, a.deed) for a in scene.actors for color in (a.color, a.new_color)}


def test_seed_and_split_decide():
    assert make_scene(5) == make_scene(5)
    scenes = [make_scene(seed, split) for seed in range(100) for split in ("train", "validation", "test")]
    assert len({scene.actors for scene in scenes}) == 300


def test_some_combinations_are_for_the_test_alone():
    assert not any(
        combinations(make_scene(seed, split)) & HELD_OUT for seed in range(300) for split in ("train", "validation")
    )
    share = sum(bool(combinations(make_scene(seed, "test")) & HELD_OUT) for seed in range(300)) / 300
    assert 0.4 < share < 0.6


def test_for_each_shape_and_event_one_color_is_held_out():
    assert sorted((shape, event) for _, shape, event in HELD_OUT) == sorted(product(SHAPES, EVENTS))
    assert {color for color, _, _ in HELD_OUT} == set(COLORS)


def test_nothing_happens_in_a_still():
    stills = [make_still(seed) for seed in range(100)]
    assert stills[3] == make_still(3)
    assert len({scene.actors for scene in stills}) == 100
    assert {actor.behavior for scene in stills for actor in scene.actors} == {"stays"}


def test_in_busy_scenes_there_are_more_actors_and_more_of_them_come_and_go_or_flash():
    busy, others = ([make(seed) for seed in range(300)] for make in (make_busy_scene, make_scene))
    assert busy[3] == make_busy_scene(3)
    assert not any(combinations(scene) & HELD_OUT for scene in busy)

    def counts(scenes, behavior=None):
        return [sum(behavior in (None, actor.behavior) for actor in scene.actors) for scene in scenes]

    assert set(counts(busy)) == {1, 2, 3}
    assert counts(busy).count(3) > 1.5 * counts(others).count(3)
    assert set(counts(busy, "visits")) == {0, 2}
    assert counts(busy, "visits").count(2) > 1.2 * counts(others, "visits").count(2)
    assert counts(busy, "flashes").count(1) > 1.2 * counts(others, "flashes").count(1)


def test_every_behavior_shape_and_color_occurs():
    actors = [actor for seed in range(300) for actor in make_scene(seed).actors]
    assert {actor.shape for actor in actors} == set(SHAPES)
    assert {actor.color for actor in actors} == set(COLORS)
    behaviors = {"stays", "moves", "appears", "vanishes", "visits", "changes", "flashes"}
    assert {actor.behavior for actor in actors} == behaviors


def test_actors_of_a_scene_differ_in_shape_and_color():
    for seed in range(200):
        actors = make_scene(seed).actors
        assert len({actor.shape for actor in actors}) == len(actors)
        colors = [color for actor in actors for color in (actor.color, actor.new_color) if color]
        assert len(set(colors)) == len(colors)


def test_nothing_leaves_the_stage():
    for seed in range(200):
        for actor in make_scene(seed).actors:
            for progress in (0.0, 0.5, 1.0):
                for place in actor.center(progress):
                    assert actor.size / 2 - 1e-9 <= place <= 1 - actor.size / 2 + 1e-9


def test_a_flash_is_seen_in_one_or_two_sampled_frames():
    flashes = [a for seed in range(400) for a in make_scene(seed).actors if a.behavior == "flashes"]
    for last in (0.78, 0.9, 1.0):  # how much of a clip the sampled frames span
        counts = {sum(actor.is_visible(last * index / 15) for index in range(16)) for actor in flashes}
        assert counts <= {1, 2}


def test_visits_do_not_tell_their_order_by_their_length():
    """Else "what came first" could be answered from frames in any order."""
    longer_first = []
    for seed in range(1500):
        visits = sorted((a.enters, a.leaves) for a in make_scene(seed).actors if a.behavior == "visits")
        if visits:
            (enters, leaves), (second_enters, second_leaves) = visits
            assert enters < second_enters
            assert leaves < second_leaves
            longer_first.append(leaves - enters > second_leaves - second_enters)
    assert len(longer_first) > 300
    assert sum(longer_first) / len(longer_first) == pytest.approx(0.5, abs=0.07)


def test_moving_shapes_pass_behind_others_but_are_not_hidden_for_long():
    crossings = 0
    for seed in range(1000):
        actors = make_scene(seed).actors
        for one in actors:
            for other in actors:
                if one.shape < other.shape and "moves" in (one.behavior, other.behavior):
                    both = [t / 19 for t in range(20) if one.is_visible(t / 19) and other.is_visible(t / 19)]
                    near = [
                        max(abs(a - b) for a, b in zip(one.center(t), other.center(t), strict=True)) < 0.12
                        for t in both
                    ]
                    assert sum(near) <= 8
                    crossings += any(near)
    assert crossings > 10


def test_unknown_split_is_refused():
    with pytest.raises(ValueError, match=r"`split` \('dev'\) must be 'train', 'validation' or 'test'\."):
        make_scene(0, "dev")
