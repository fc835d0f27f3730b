# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
import pytest
import torch

from train_demo.patch_labels import BACKGROUND, DEEDS, IGNORED, PatchDataset
from train_demo.small_model import make_config, make_processor
from transformers_mvgpt.demo.scene import COLORS, SHAPES, Actor, Scene, make_scene


@pytest.fixture(scope="module")
def config():
    return make_config(make_processor().tokenizer)


def test_shapes(config):
    sample = PatchDataset(config, 5, 1, num_images=3)[0]
    assert {name: tuple(value.shape) for name, value in sample.items()} == {
        "images": (3, 3, 48, 48),
        "single_frames": (3, 3, 48, 48),
        "image_colors": (3, 36),
        "image_shapes": (3, 36),
        "frames": (8, 3, 48, 48),
        "frame_colors": (8, 36),
        "frame_shapes": (8, 36),
        "frame_deeds": (8, 36),
    }


def test_labels_name_what_stands_in_a_patch(config):
    dataset = PatchDataset(config, 0, 1)
    square = Actor("square", "blue", "moves", 1 / 3, (1 / 6, 1 / 6), (5 / 6, 1 / 6), direction="right")
    scene = Scene((square,), (50, 50, 50), 0)
    # a square of two by two patches in the corner of six by six
    assert dataset._patches(scene, 0.0, 96, 96).reshape(6, 6)[:3, :3].tolist() == [[1, 1, 0], [1, 1, 0], [0, 0, 0]]
    assert dataset._patches(scene, 1.0, 96, 96).reshape(6, 6)[:3, 3:].tolist() == [[0, 1, 1], [0, 1, 1], [0, 0, 0]]
    # the video encoder's stream has the sides of a wide frame as well
    wide = dataset._patches(scene, 0.0, 192, 96).reshape(6, 6)
    assert wide[:2].tolist() == [[0, IGNORED, 1, 0, 0, 0]] * 2 or (wide[:2, 2] == 1).all()


def test_all_labels_agree_with_the_scene(config):
    for seed in range(8):
        scene = make_scene(seed)
        sample = PatchDataset(config, seed, 1, num_images=1)[0]
        marked = sample["frame_colors"] > 0
        assert torch.equal(marked, sample["frame_deeds"] > 0)
        colors = {COLORS[index - 1] for index in sample["frame_colors"][marked].tolist()}
        shapes = {SHAPES[index - 1] for index in sample["frame_shapes"][marked].tolist()}
        deeds = {DEEDS[index - 1] for index in sample["frame_deeds"][marked].tolist()}
        assert colors <= {c for actor in scene.actors for c in (actor.color, actor.new_color)}
        assert shapes <= {actor.shape for actor in scene.actors}
        assert deeds <= {actor.direction or actor.behavior for actor in scene.actors}
        assert set(sample["frame_colors"].unique().tolist()) <= {IGNORED, BACKGROUND, *range(1, 1 + len(COLORS))}


def test_first_seed_and_number_say_which_scenes(config):
    dataset = PatchDataset(config, 7, 3, num_images=1)
    samples = list(dataset)
    assert len(samples) == len(dataset) == 3
    assert torch.equal(samples[2]["frames"], PatchDataset(config, 9, 1, num_images=1)[0]["frames"])
    assert not torch.equal(samples[0]["frames"][0], samples[1]["frames"][0])
