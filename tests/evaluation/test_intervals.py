# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
import numpy as np
import pytest

from transformers_mvgpt.evaluation.intervals import Estimate, effective_number, estimate_mean, wilson_interval


# Newcombe, "Two-sided confidence intervals for the single proportion", Statistics in Medicine 17 (1998), table I, method 3.
@pytest.mark.parametrize(
    ("right", "number", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_as_published(right, number, low, high):
    assert wilson_interval(right / number, number) == pytest.approx((low, high), abs=5e-5)
    # from the other side
    assert wilson_interval(1 - right / number, number) == pytest.approx((1 - high, 1 - low), abs=5e-5)


def test_independent_questions():
    estimate = estimate_mean([1] * 81 + [0] * 182, range(263))
    assert estimate == Estimate(81 / 263, *wilson_interval(81 / 263, 263))


def test_questions_about_one_video_count_less_the_more_alike_they_are():
    """20 videos of 5 questions each, all of them right or all wrong: as if the videos had been asked about once."""
    sums, counts = np.array([5] * 12 + [0] * 8), np.full(20, 5)
    assert effective_number(0.6, sums, counts) == pytest.approx(19)  # a variance with G - 1 in it
    # as many of each video: the videos differ less than chance lets them
    assert effective_number(0.6, np.full(20, 3), counts) == 100
    values = [1.0] * 60 + [0.0] * 40
    clusters = [place // 5 for place in range(100)]
    clustered, plain = estimate_mean(values, clusters), estimate_mean(values, range(100))
    assert clustered.value == plain.value == 0.6
    assert clustered.low < plain.low < plain.high < clustered.high


def test_where_nothing_tells_how_alike_they_are():
    """All right: each video counts once. One video: it is one observation."""
    all_right = estimate_mean([1] * 10, [0] * 5 + [1] * 5)
    assert all_right == Estimate(1.0, *wilson_interval(1.0, 2))
    one_video = estimate_mean([1, 0], ["clip", "clip"])
    assert one_video == Estimate(0.5, *wilson_interval(0.5, 1))
    assert estimate_mean([0.5, 0.5, 0.5], range(3)) == Estimate(0.5, None, None)
    assert estimate_mean([0.3, 0.5], ["clip", "clip"]) == Estimate(pytest.approx(0.4), None, None)


def test_the_interval_holds_the_truth_as_often_as_it_says():
    """Answers to 6 questions about each of 60 videos that are easy or hard: 95 % in 400 drawings, which the plain interval misses."""
    rng = np.random.default_rng(0)
    clusters = np.repeat(np.arange(60), 6)
    hits = {"clustered": 0, "plain": 0, "means": 0}
    for _ in range(400):
        ease = rng.beta(0.7, 0.3, 60)
        values = (rng.random(360) < ease[clusters]).astype(float)
        for name, ids in (("clustered", clusters), ("plain", range(360))):
            estimate = estimate_mean(values, ids)
            hits[name] += estimate.low <= 0.7 <= estimate.high
    assert 0.93 <= hits["clustered"] / 400 <= 0.97
    assert hits["plain"] / 400 < 0.85


def test_bootstrap_of_means():
    """Of many independent values it is that of the normal distribution; of repeated ones it does not shrink."""
    rng = np.random.default_rng(1)
    values = rng.beta(2, 2, 400)
    estimate = estimate_mean(values, range(400))
    half = 1.96 * values.std(ddof=1) / 20
    assert (estimate.low, estimate.high) == pytest.approx((estimate.value - half, estimate.value + half), abs=0.003)
    assert estimate_mean(np.repeat(values, 3), np.repeat(np.arange(400), 3)) == estimate_mean(values, range(400))
    # whatever the videos are called, and however Python hashes that
    assert estimate_mean(values, [f"{place}.mp4" for place in range(400)]) == estimate
