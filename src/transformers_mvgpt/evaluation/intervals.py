# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
How sure a score is: intervals at 95 %, of the mean of values that are counted by question but drawn by video.

Symbols: n questions about G videos (clusters), p their mean, deff the design effect, how many times the variance of p is that of n
questions about as many videos.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np


CONFIDENCE = 0.95
_Z = NormalDist().inv_cdf(0.5 + CONFIDENCE / 2)
_NUM_RESAMPLES = 2000


@dataclass(frozen=True)
class Estimate:
    """
    Args:
        value (`float`): the mean.
        low, high (`float`, *optional*): the interval, where the values say anything about it.
    """

    value: float
    low: float | None
    high: float | None


def estimate_mean(values: Sequence[float], clusters: Sequence[Hashable]) -> Estimate:
    """
    The mean of values from 0 to 1 with its interval. Questions about one video are not independent: a model that has mistaken it
    answers several wrongly. Hence they are counted as one cluster.

    Of shares, where each value is 0 or 1, the interval is Wilson's (1927; recommended by Brown, Cai and DasGupta, "Interval estimation
    for a binomial proportion", Statistical Science 16, 2001), with the effective number of questions in the place of n (Dean and Pagano,
    "Evaluating confidence interval methods for binomial proportions in clustered surveys", 2015). Of other values it is the percentile
    bootstrap (Efron and Tibshirani 1993) that draws whole clusters, with a fixed seed. Clusters follow Miller, "Adding error bars to
    evals" (arXiv 2411.00640, 2024).

    Args:
        values (`Sequence[float]`): at least one.
        clusters (`Sequence[Hashable]`): what each value is about, equal for those that belong together.
    """
    array = np.asarray(values, dtype=np.float64)
    # in the order in which they come, on which the drawings depend
    numbers: dict[Hashable, int] = {}
    members = [numbers.setdefault(cluster, len(numbers)) for cluster in clusters]
    sums, counts = np.bincount(members, weights=array), np.bincount(members)
    mean = float(array.mean())
    if np.isin(array, (0, 1)).all():
        return Estimate(mean, *wilson_interval(mean, effective_number(mean, sums, counts)))
    # what does not vary says nothing of how much it would
    if len(counts) == 1 or (array == array[0]).all():
        return Estimate(mean, None, None)
    return Estimate(mean, *_bootstrap_interval(sums, counts))


def wilson_interval(share: float, number: float) -> tuple[float, float]:
    """
    Wilson's score interval of a share, 0 to 1.

    Args:
        share (`float`): how many of `number` are right, 0 to 1.
        number (`float`): of independent observations, above 0; an effective number need not be whole.
    """
    scale = 1 + _Z**2 / number
    center = (share + _Z**2 / (2 * number)) / scale
    half = _Z / scale * (share * (1 - share) / number + _Z**2 / (4 * number**2)) ** 0.5
    # what rounding leaves of the ends, which are exact for none and all
    return (0.0 if share == 0 else max(0.0, center - half)), (1.0 if share == 1 else min(1.0, center + half))


def effective_number(share: float, sums: np.ndarray, counts: np.ndarray) -> float:
    """
    Of how many independent questions a share would vary as much, n / deff; at most n. Where the answers do not tell how much those
    about one video depend on each other, because all are alike or there is one video, each video counts as one question.

    Args:
        share (`float`): of all questions.
        sums, counts (`np.ndarray` of shape `(G,)`): right answers and questions of each cluster.
    """
    number, num_clusters = int(counts.sum()), len(counts)
    if num_clusters == number:
        return number
    if num_clusters == 1 or share in (0, 1):
        return num_clusters
    # of a ratio, by linearization: the sums of residuals vary between clusters
    variance = num_clusters / (num_clusters - 1) * float(((sums - share * counts) ** 2).sum()) / number**2
    return min(number, share * (1 - share) / variance) if variance else number


def _bootstrap_interval(sums: np.ndarray, counts: np.ndarray) -> tuple[float, float]:
    rng = np.random.default_rng(0)
    means = np.empty(_NUM_RESAMPLES)
    for number in range(_NUM_RESAMPLES):
        drawn = rng.integers(len(counts), size=len(counts))
        means[number] = sums[drawn].sum() / counts[drawn].sum()
    low, high = np.quantile(means, (0.5 - CONFIDENCE / 2, 0.5 + CONFIDENCE / 2))
    return float(low), float(high)
