# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
import copy
import re

import pytest
import torch
from transformers import AutoModelForImageTextToText

from tiny_family_models import tiny_tinyllava
from tiny_models import with_seeded_weights
from transformers_mvgpt.modeling import frame_encoding


FAMILY = tiny_tinyllava()
FRAMES = torch.cat([FAMILY.make_visual(name) for name in "abcabc"])  # 12


@pytest.fixture(scope="module")
def model():
    return with_seeded_weights(AutoModelForImageTextToText.from_config(FAMILY.config))


@torch.no_grad()
def test_shapes_of_the_published_size():
    with torch.device("meta"):
        model = AutoModelForImageTextToText.from_config(type(FAMILY.config)())
        video = model.get_video_features(torch.empty(2, 3, 3, 384, 384))
    assert video.pooler_output.shape == (2, 512, 2048)
    assert video.last_hidden_state.shape == (6, 728, 1152)
    assert model.num_parameters() == 3_085_938_688 + 428_225_600 + 115_714_048


@torch.no_grad()
def test_videos_in_either_form(model):
    stacked = FRAMES.unflatten(0, (3, 4))
    expected = model.get_video_features(stacked)
    joined = model.get_video_features(FRAMES, num_frames_per_video=torch.tensor([4, 4, 4]))
    assert torch.equal(joined.pooler_output, expected.pooler_output)
    for video, tokens in zip(stacked, expected.pooler_output, strict=True):
        torch.testing.assert_close(
            model.get_video_features(video[None]).pooler_output[0], tokens, rtol=1e-4, atol=1e-5
        )


@torch.no_grad()
def test_order_of_the_frames_is_seen(model):
    tokens = [model.get_video_features(frames[None]).pooler_output for frames in (FRAMES, FRAMES.flip(0))]
    assert (tokens[0] - tokens[1]).abs().max() > 0.01 * tokens[0].std()


@torch.no_grad()
def test_first_patch_of_a_frame_is_not_used(model):
    features = model.get_video_features(FRAMES[None]).last_hidden_state
    assert features.shape == (12, 15, 40)
    states = model.get_video_features(FRAMES[None], output_hidden_states=True).hidden_states
    torch.testing.assert_close(features, states[-2][:, 1:], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("is_frozen", [False, True], ids=["with gradients", "frozen"])
def test_parts_of_the_frames_change_nothing(model, is_frozen, monkeypatch):
    def run():
        trained = copy.deepcopy(model).train()
        trained.model.vision_tower.requires_grad_(not is_frozen)
        output = trained.get_video_features(FRAMES, num_frames_per_video=torch.tensor([7, 5]))
        output.pooler_output.sin().sum().backward()
        assert output.last_hidden_state.requires_grad is not is_frozen
        return output, {name: weight.grad for name, weight in trained.named_parameters() if weight.grad is not None}

    expected, expected_gradients = run()
    monkeypatch.setattr(frame_encoding, "FRAMES_AT_A_TIME", 5)
    actual, gradients = run()
    torch.testing.assert_close(actual.pooler_output, expected.pooler_output, rtol=1e-4, atol=1e-5)
    assert gradients.keys() == expected_gradients.keys()
    assert any("vision_tower" in name for name in gradients) is not is_frozen
    for name, gradient in gradients.items():
        torch.testing.assert_close(gradient, expected_gradients[name], rtol=1e-3, atol=1e-4, msg=name)


@torch.no_grad()
def test_a_part_of_the_frames_at_a_time(model, monkeypatch):
    monkeypatch.setattr(frame_encoding, "FRAMES_AT_A_TIME", 5)
    seen = []
    hook = model.model.vision_tower.embeddings.register_forward_pre_hook(lambda _, args: seen.append(len(args[0])))
    records = {"output_hidden_states": True, "output_attentions": True}
    plain = model.get_video_features(FRAMES[None])
    eager = copy.deepcopy(model)
    eager.set_attn_implementation("eager")
    recorded = eager.get_video_features(FRAMES[None], **records)
    hook.remove()
    assert seen[:3] == [5, 5, 2]
    assert [tuple(states.shape) for states in recorded.hidden_states] == [(12, 16, 40)] * 4
    assert [tuple(weights.shape) for weights in recorded.attentions] == [(12, 4, 16, 16)] * 3
    torch.testing.assert_close(recorded.pooler_output, plain.pooler_output, rtol=1e-4, atol=1e-5)


def test_head_of_phi_has_a_bias():
    models = [
        AutoModelForImageTextToText.from_config(tiny_tinyllava("naive", kind).config) for kind in ("phi", "qwen2")
    ]
    assert [model.lm_head.bias is not None for model in models] == [True, False]


@pytest.mark.parametrize(
    ("pixels", "counts", "message"),
    [
        (FRAMES, None, "`pixel_values_videos` has the shape (12, 3, 32, 32), the frames of all videos one after the other: pass"),
        (FRAMES, [5, 6], "`num_frames_per_video` ([5, 6]) must have at least one frame for each video and 12 in all"),
        (FRAMES, [12, 0], "`num_frames_per_video` ([12, 0]) must have at least one frame for each video and 12 in all"),
        (FRAMES[None], [12], "`pixel_values_videos` has the shape (1, 12, 3, 32, 32); expected (num_all_frames, 3, 32, 32)."),
        (FRAMES[None, ..., :24], None, "expected (num_videos, num_frames, 3, 32, 32)."),
        (FRAMES[None, :0], None, "`pixel_values_videos` has 0 frames per video: pass at least one."),
        (FRAMES[None].to(torch.uint8), None, "`pixel_values_videos` must be normalized floating point pixels"),
    ],
)  # fmt: skip
def test_pixels_that_do_not_fit(model, pixels, counts, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        model.get_video_features(pixels, None if counts is None else torch.tensor(counts))
