# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""A tiny run of all stages, each on the output of the one before, and the merged model at the end."""

import json

import pytest
from safetensors.torch import load_file
from transformers import AutoModelForImageTextToText, AutoProcessor

from training_data import tiny_recipe
from transformers_mvgpt.training import merge, run


pytest.importorskip("peft")


# peft asks for it under its old name
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")


def losses(output):
    records = map(json.loads, (output / "loss.jsonl").read_text().splitlines())
    return [record["loss"] for record in records if "loss" in record]


def test_three_stages_and_merge(tmp_path, release, images, clips):
    first = run(tiny_recipe("video_projector", release, images, tmp_path / "first", max_steps=12))
    second = run(tiny_recipe("image_projector", first, images, tmp_path / "second", max_steps=12))
    third = run(tiny_recipe("instruction", second, [clips, images], tmp_path / "third", max_steps=24))
    merge(third, tmp_path / "merged")
    for output in (first, second, third):
        curve = losses(output)
        assert curve[-1] < 0.97 * curve[0], output
        assert (output / "loss.png").stat().st_size > 1000
    assert losses(third)[-1] < 0.7 * losses(third)[0]

    model = AutoModelForImageTextToText.from_pretrained(tmp_path / "merged")
    processor = AutoProcessor.from_pretrained(tmp_path / "merged")
    assert type(processor).__name__ == "MobileVideoGPTProcessor"
    assert load_file(tmp_path / "merged" / "model.safetensors").keys() <= model.state_dict().keys()
