# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Frames that the image encoder saw one by one make the videos that frames encoded together make."""

import re

import pytest
import torch
from transformers import AutoModelForImageTextToText

from tiny_family_models import tiny_tinyllava
from tiny_models import NUM_FRAMES, make_videos, tiny_model, with_seeded_weights


# Of batches of different sizes, for which the products of matrices are computed in another order.
TOLERANCE = {"rtol": 1e-4, "atol": 1e-5}


@pytest.fixture(scope="module")
def model():
    return tiny_model()


@pytest.fixture(scope="module")
def tinyllava():
    return with_seeded_weights(AutoModelForImageTextToText.from_config(tiny_tinyllava().config))


def one_by_one(model, pixels: torch.Tensor) -> torch.Tensor:
    """Features (1, n, P, D) of frames (n, 3, H, W)."""
    return torch.cat([model.encode_frames(frame[None]) for frame in pixels])[None]


@torch.no_grad()
@pytest.mark.parametrize("num_frames", [NUM_FRAMES, 5, 1])
def test_kept_features_of_mobile_videogpt(model, num_frames):
    frames, context = (stream[:, :num_frames] for stream in make_videos("a").values())
    expected = model.get_video_features(frames, context)
    encoded = model.get_video_features(frames, image_features=one_by_one(model, context[0]))
    assert torch.equal(encoded.selected_frames, expected.selected_frames)
    torch.testing.assert_close(encoded.frame_scores, expected.frame_scores, **TOLERANCE)
    torch.testing.assert_close(encoded.pooler_output, expected.pooler_output, **TOLERANCE)


@torch.no_grad()
@pytest.mark.parametrize("num_frames", [12, 1])
def test_kept_features_of_tinyllava(tinyllava, num_frames):
    pixels = torch.cat([tiny_tinyllava().make_visual(name) for name in "abcabc"])[:num_frames]
    expected = tinyllava.get_video_features(pixels[None])
    encoded = tinyllava.get_video_features(image_features=one_by_one(tinyllava, pixels))
    torch.testing.assert_close(encoded.last_hidden_state, expected.last_hidden_state, **TOLERANCE)
    torch.testing.assert_close(encoded.pooler_output, expected.pooler_output, **TOLERANCE)


@torch.no_grad()
def test_the_image_encoder_does_not_see_frames_again(model):
    frames, context = make_videos("a").values()
    features = one_by_one(model, context[0])
    seen = []
    hook = model.model.vision_tower.embeddings.register_forward_pre_hook(lambda _, args: seen.append(len(args[0])))
    model.get_video_features(frames, image_features=features)
    assert seen == []
    # frames that are missing are one frame of zeros
    model.get_video_features(frames[:, :3], image_features=features[:, :3])
    assert seen == [1]
    hook.remove()


@torch.no_grad()
def test_what_does_not_fit_is_refused(model, tinyllava):
    frames, context = make_videos("a").values()
    features = one_by_one(model, context[0])
    shape = "(num_videos, num_frames, 16, 40)"
    for wrong in (features[0], features[..., :-1], features[:, :, 1:], features[:, :0], features.long()):
        message = f"`image_features` have the shape {tuple(wrong.shape)} and dtype {wrong.dtype}; expected {shape}"
        with pytest.raises(ValueError, match=re.escape(message)):
            model.get_video_features(frames, image_features=wrong)
    with pytest.raises(ValueError, match=re.escape("must be of the same frames, got (1, 12) and (1, 11)")):
        model.get_video_features(frames, image_features=features[:, 1:])
    with pytest.raises(ValueError, match="`context_pixel_values_videos`: pass one of them, not both"):
        model.get_video_features(frames, context, image_features=features)
    with pytest.raises(ValueError, match="has 13 frames per video, this model takes 1 to 12"):
        model.get_video_features(frames[:, [0, *range(12)]], image_features=features[:, [0, *range(12)]])
    with pytest.raises(ValueError, match="`pixel_values` has the shape"):
        model.encode_frames(context)
    kept = one_by_one(tinyllava, tiny_tinyllava().make_visual("a"))
    with pytest.raises(ValueError, match="`pixel_values_videos`: pass one of them, not both"):
        tinyllava.get_video_features(tiny_tinyllava().make_visual("a")[None], image_features=kept)
    with pytest.raises(ValueError, match="A video needs `pixel_values_videos`"):
        tinyllava.get_video_features()
