# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
import json

import pytest
import torch

from tiny_models import NUM_FRAMES, NUM_IMAGE_TOKENS, NUM_VIDEO_TOKENS, make_videos, tiny_model
from train_demo.ablated_model import Ablation, PlainProjector, ablate
from train_demo.ablations import ABLATIONS, run_ablations
from train_demo.build import RECIPES
from train_demo.small_model import make_config, make_processor
from train_demo.training_files import write_training_clips
from transformers_mvgpt import MobileVideoGPTForConditionalGeneration
from transformers_mvgpt.demo.clip_files import write_test_clips
from transformers_mvgpt.training import load_recipe


class Processor:
    num_video_tokens = NUM_VIDEO_TOKENS


@pytest.fixture(scope="module")
def model():
    return tiny_model()


@pytest.fixture(scope="module")
def videos():
    return make_videos("a", "b")


def encode(model, videos, **ablation):
    ablated, processor = ablate(model, Processor(), Ablation(**ablation))
    with torch.no_grad():
        return ablated.eval().get_video_features(**videos), processor


def test_nothing_exchanged_is_the_model_itself(model, videos):
    with torch.no_grad():
        plain = model.get_video_features(**videos)
    ablated, processor = encode(model, videos)
    assert torch.equal(ablated.pooler_output, plain.pooler_output)
    assert processor.num_video_tokens == NUM_VIDEO_TOKENS


def test_one_encoder_alone_leaves_its_tokens(model, videos):
    both = encode(model, videos)[0].pooler_output
    num_image_tokens = NUM_FRAMES * NUM_IMAGE_TOKENS
    image, processor = encode(model, videos, encoders="image")
    assert torch.equal(image.pooler_output, both[:, :num_image_tokens])
    assert processor.num_video_tokens == num_image_tokens
    video, processor = encode(model, videos, encoders="video")
    assert torch.equal(video.pooler_output, both[:, num_image_tokens:])
    assert processor.num_video_tokens == NUM_VIDEO_TOKENS - num_image_tokens
    assert Processor.num_video_tokens == NUM_VIDEO_TOKENS


def test_other_frames_are_selected(model, videos):
    scores = encode(model, videos)[0].frame_scores.unflatten(1, (-1, 6))
    lowest = encode(model, videos, frames="lowest")[0].selected_frames.unflatten(1, (-1, 4))
    for video, chunk in ((0, 0), (0, 1), (1, 0), (1, 1)):
        expected = scores[video, chunk].argsort()[:4].sort().values + 6 * chunk
        assert lowest[video, chunk].tolist() == expected.tolist()
    assert encode(model, videos, frames="uniform")[0].selected_frames.tolist() == [[0, 2, 3, 5, 6, 8, 9, 11]] * 2
    drawn = {str(encode(model, videos, frames="random")[0].selected_frames.tolist()) for _ in range(5)}
    assert len(drawn) > 1


@pytest.mark.parametrize(("kind", "num_layers"), [("linear", 1), ("mlp", 2)])
def test_projectors_are_exchanged_and_fresh(model, videos, kind, num_layers):
    ablated, _ = ablate(model, Processor(), Ablation(projector=kind))
    for name in ("image_projector", "video_projector"):
        projector = getattr(ablated.model, name)
        assert isinstance(projector, PlainProjector)
        assert sum(1 for _ in projector.parameters()) == 2 * num_layers
        assert not torch.equal(projector.linear_1.weight, getattr(model.model, name).linear_1.weight)
    assert torch.equal(ablated.lm_head.weight, model.lm_head.weight)
    assert ablated.get_video_features(**videos).pooler_output.shape == (2, NUM_VIDEO_TOKENS, 32)


def test_fresh_projectors_of_the_same_kind(model, videos):
    fresh, _ = ablate(model, Processor(), Ablation(projector="fresh_etp"))
    for name, parameter in fresh.named_parameters():
        is_taken_over = torch.equal(parameter, model.get_parameter(name))
        assert is_taken_over == ("_projector." not in name), name


def test_plain_projector_pools_rows_and_columns():
    projector = PlainProjector(3, 5, 2, num_layers=1)
    tokens = torch.randn(1, 16, 3)
    projected = projector(tokens)
    corner = tokens.reshape(4, 4, 3)[:2, 2:].mean((0, 1))  # the linear layer and the mean commute
    torch.testing.assert_close(projected[0, 1], projector.linear_1(corner))


@pytest.mark.slow
def test_all_are_trained_and_scored_and_none_twice(tmp_path):
    processor = make_processor()
    MobileVideoGPTForConditionalGeneration(make_config(processor.tokenizer)).save_pretrained(tmp_path / "start")
    processor.save_pretrained(tmp_path / "start")
    list(write_training_clips(tmp_path / "clips", range(2), max_turns=2))
    list(write_test_clips(tmp_path / "test", 3))
    overrides = ["batch_size=2", "max_steps=1", "num_epochs=null", "num_workers=0", "save_steps=null"]
    places = [f"model={tmp_path}/start", f"data={tmp_path}/clips/clips.json", f"output={tmp_path}/work"]
    recipe = load_recipe(RECIPES / "instruction.yaml", [*overrides, *places])
    file = tmp_path / "results" / "ablations.json"
    first = next(iter(ABLATIONS))
    file.parent.mkdir()
    file.write_text(json.dumps({first: {"scores": {"all": 0.5}, "loss": 9.0}}))
    asked = set()
    results = run_ablations(recipe, tmp_path / "test" / "questions.jsonl", file, lambda name, *_: asked.add(name))
    assert list(results) == [*ABLATIONS, "guesser"]
    assert asked == set(ABLATIONS) - {first}
    assert results == json.loads(file.read_text())
    assert all(0 <= result["scores"]["all"] <= 1 for result in results.values())
