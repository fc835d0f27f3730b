# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
import math

import numpy as np
import pytest
import torch

from transformers_mvgpt.modeling.frame_scoring_mvgpt import score_frames, select_frames


FRAMES_PER_CHUNK = 4


def make_features(num_videos=2, num_frames=8, num_patches=5, hidden_size=6, dtype=torch.float32):
    return 2 * torch.randn(num_videos, num_frames, num_patches, hidden_size).to(dtype)


def scores_by_the_formula(features, frames_per_chunk):
    """One query after the other, in float64. The keys of a query are the patches of its chunk."""
    features = features.double().numpy()
    num_videos, num_frames, num_patches, hidden_size = features.shape
    scores = np.zeros((num_videos, num_frames))
    for video in range(num_videos):
        for first in range(0, num_frames, frames_per_chunk):
            frames = range(first, first + frames_per_chunk)
            patches = [(frame, patch) for frame in frames for patch in range(num_patches)]
            for query in patches:
                logits = [features[video][query] @ features[video][key] / math.sqrt(hidden_size) for key in patches]
                weights = [math.exp(logit - max(logits)) for logit in logits]
                for (frame, _), weight in zip(patches, weights, strict=True):
                    scores[video, frame] += weight / sum(weights)
    return torch.from_numpy(scores)


@pytest.mark.parametrize("frames_per_chunk", [1, 2, 4, 8])
def test_scores_match_the_formula(frames_per_chunk):
    features = make_features()
    expected = scores_by_the_formula(features, frames_per_chunk)
    torch.testing.assert_close(score_frames(features, frames_per_chunk).double(), expected, rtol=1e-5, atol=1e-6)


def test_scores_of_a_chunk_add_up_to_its_patches():
    features = make_features(num_videos=3, num_frames=12, num_patches=7)
    sums = score_frames(features, FRAMES_PER_CHUNK).unflatten(1, (3, FRAMES_PER_CHUNK)).sum(-1)
    torch.testing.assert_close(sums, torch.full((3, 3), FRAMES_PER_CHUNK * 7.0))


def test_equal_frames_share_the_attention():
    features = make_features(num_frames=1).expand(-1, FRAMES_PER_CHUNK, -1, -1)
    torch.testing.assert_close(score_frames(features, FRAMES_PER_CHUNK), torch.full((2, FRAMES_PER_CHUNK), 5.0))


def test_chunks_do_not_see_each_other():
    features = make_features()
    first, second = features[:, :4], features[:, 4:]
    alone = torch.cat([score_frames(first, FRAMES_PER_CHUNK), score_frames(second, FRAMES_PER_CHUNK)], dim=1)
    assert torch.equal(score_frames(features, FRAMES_PER_CHUNK), alone)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_scores_are_float32_whatever_the_features(dtype):
    features = make_features(dtype=dtype)
    scores = score_frames(features, FRAMES_PER_CHUNK)
    assert scores.dtype == torch.float32
    expected = scores_by_the_formula(features, FRAMES_PER_CHUNK).float()
    torch.testing.assert_close(scores, expected, rtol=1e-5, atol=1e-6)


def test_autocast_does_not_round_the_scores():
    features = make_features()
    with torch.autocast("cpu", torch.bfloat16):
        scores = score_frames(features, FRAMES_PER_CHUNK)
    assert torch.equal(scores, score_frames(features, FRAMES_PER_CHUNK))


def test_scores_of_the_published_size_on_the_meta_device():
    scores = score_frames(torch.empty(2, 16, 196, 768, device="meta"), 8)
    assert (scores.shape, scores.dtype) == ((2, 16), torch.float32)


def test_scores_pass_no_gradient_on():
    assert not score_frames(make_features().requires_grad_(), FRAMES_PER_CHUNK).requires_grad


SCORES = torch.tensor([[5.0, 9.0, 1.0, 7.0, 2.0, 2.5, 8.0, 4.0], [1.0, 2.0, 3.0, 4.0, 8.0, 7.0, 6.0, 5.0]])


@pytest.mark.parametrize(
    ("num_selected_frames", "frame_selection", "expected"),
    [
        (1, "scores", [[1, 6], [3, 4]]),
        (2, "scores", [[1, 3, 6, 7], [2, 3, 4, 5]]),
        (3, "scores", [[0, 1, 3, 5, 6, 7], [1, 2, 3, 4, 5, 6]]),
        (4, "scores", [[0, 1, 2, 3, 4, 5, 6, 7]] * 2),
        (1, "rarest", [[2, 4], [0, 7]]),
        (2, "rarest", [[0, 2, 4, 5], [0, 1, 6, 7]]),
        (1, "uniform", [[2, 6]] * 2),
        (2, "uniform", [[1, 3, 5, 7]] * 2),
        (3, "uniform", [[0, 2, 3, 4, 6, 7]] * 2),
        (4, "uniform", [[0, 1, 2, 3, 4, 5, 6, 7]] * 2),
    ],
)
def test_selected_frames_stand_in_time_order(num_selected_frames, frame_selection, expected):
    selected = select_frames(SCORES, FRAMES_PER_CHUNK, num_selected_frames, frame_selection)
    assert selected.tolist() == expected


@pytest.mark.parametrize(
    ("scores", "frame_selection", "expected"),
    [
        ([3.0, 3.0, 3.0, 3.0], "scores", [0, 1]),
        ([3.0, 3.0, 3.0, 3.0], "rarest", [0, 1]),
        ([1.0, 3.0, 9.0, 3.0], "scores", [1, 2]),
        ([9.0, 3.0, 1.0, 3.0], "rarest", [1, 2]),
    ],
)
def test_of_equal_scores_the_earlier_frame_is_selected(scores, frame_selection, expected):
    assert select_frames(torch.tensor([scores]), FRAMES_PER_CHUNK, 2, frame_selection).tolist() == [expected]


@pytest.mark.parametrize("frame_selection", ["scores", "rarest"])
@pytest.mark.parametrize("frames_per_chunk", [1, 2, 8, 16])
def test_selected_frames_are_the_first_of_a_stable_sort(frames_per_chunk, frame_selection):
    """Whatever the scores: with many ties, infinite ones and NaN, which is above all numbers."""
    numbers = torch.tensor([0.0, -0.0, 1.0, 1.5, 2.0, -3.0, math.inf, -math.inf, math.nan])
    scores = numbers[torch.randint(len(numbers), (200, 2 * frames_per_chunk))]
    order = scores.unflatten(1, (2, -1)).sort(dim=-1, descending=frame_selection == "scores", stable=True).indices
    for num_selected_frames in range(1, frames_per_chunk + 1):
        expected = order[..., :num_selected_frames].sort(dim=-1).values
        expected = torch.cat([expected[:, 0], expected[:, 1] + frames_per_chunk], dim=1)
        selected = select_frames(scores, frames_per_chunk, num_selected_frames, frame_selection)
        assert torch.equal(selected, expected)
