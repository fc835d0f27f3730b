# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The order of the samples: batches of one modality, and on request of about one length."""

from collections.abc import Callable, Iterator

import numpy as np
import torch


# Of transformers' `train_sampling_strategy`, those that a dataset of several modalities can follow.
STRATEGIES = ("random", "group_by_length", "sequential")
_BATCHES_SORTED_TOGETHER = 50


def check_strategy(strategy: str) -> None:
    """
    Raises:
        ValueError: if samples are not drawn by this strategy.
    """
    if strategy not in STRATEGIES:
        raise ValueError(
            f"`train_sampling_strategy` ({strategy!r}) must be {', '.join(map(repr, STRATEGIES[:-1]))} or {STRATEGIES[-1]!r}."
        )


class GroupedSampler(torch.utils.data.Sampler[int]):
    r"""
    Shuffles samples so that those of a batch run the same encoders:

        samples   v i i v v i v v ...
        shuffled within a modality, cut into batches
                  [v v v v] [v v v v] [v v] [i i i i] [i i i i] [i]
        whole batches shuffled, then what is left over
                  [i i i i] [v v v v] [v v v v] [i i i i]   v v i

    With `lengths`, samples are sorted by them within 50 batches before these are cut. Samples of one length tend to have one
    answer, so that a batch teaches less.

    The order depends on the seed and the epoch alone, so that an interrupted run goes on with the same samples.

    Args:
        modalities (`np.ndarray` of shape `(num_samples,)`): samples with the same number go together.
        lengths (`np.ndarray` of shape `(num_samples,)`, *optional*): what they are sorted by.
        batch_size (`int`): samples of a batch, those of all processes together.
        seed (`int`): of the order.
        epoch (`Callable[[], int]`): says which epoch it is when an iteration starts.
        whole_batches (`bool`, defaults to `False`):
            Fill the last batch of each modality with the first samples of the modality, again and again if need be. Several
            processes need that: each runs its part of the batch, and sharded models wait for all to run the same encoders.
    """

    def __init__(
        self,
        modalities: np.ndarray,
        lengths: np.ndarray | None,
        batch_size: int,
        seed: int,
        epoch: Callable[[], int],
        whole_batches: bool = False,
    ):
        self.lengths, self.batch_size, self.seed, self.epoch = lengths, batch_size, seed, epoch
        self.whole_batches = whole_batches
        self.num_samples = len(modalities)
        self.groups = [np.flatnonzero(modalities == modality) for modality in np.unique(modalities)]

    def __len__(self) -> int:
        if self.whole_batches:
            return sum(-(-len(group) // self.batch_size) * self.batch_size for group in self.groups)
        return self.num_samples

    def __iter__(self) -> Iterator[int]:
        generator = np.random.default_rng((self.seed, self.epoch()))
        batches: list[np.ndarray] = []
        rest: list[np.ndarray] = []
        for group in self.groups:
            order = generator.permutation(group)
            if self.whole_batches:
                order = np.resize(order, -(-len(order) // self.batch_size) * self.batch_size)
            num_whole = len(order) // self.batch_size * self.batch_size
            rest.append(order[num_whole:])
            step = self.batch_size * _BATCHES_SORTED_TOGETHER
            for start in range(0, num_whole, step):
                part = order[start : min(start + step, num_whole)]
                if self.lengths is not None:
                    part = part[np.argsort(self.lengths[part], kind="stable")]
                batches += np.split(part, len(part) // self.batch_size)
        shuffled = [batches[index] for index in generator.permutation(len(batches))]
        for batch in (*shuffled, *rest):
            yield from batch.tolist()
