# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
from collections import Counter

import numpy as np
import pytest

from transformers_mvgpt.training.sampler import GroupedSampler, check_strategy


MODALITIES = np.array([0] * 5 + [1] * 50 + [2] * 47, dtype=np.int8)
LENGTHS = np.random.default_rng(0).integers(1, 1000, len(MODALITIES))
BATCH_SIZE = 4
FIRST_BY_LENGTH = [100, 73, 86, 69, 29, 50, 28, 54, 31, 48, 20, 37]


def make_sampler(epoch=0, seed=0, lengths=None, **options):
    return GroupedSampler(MODALITIES, lengths, BATCH_SIZE, seed, lambda: epoch, **options)


def batches(sampler):
    order = list(sampler)
    assert len(order) == len(sampler)
    return [order[start : start + BATCH_SIZE] for start in range(0, len(order), BATCH_SIZE)]


def test_each_sample_comes_once():
    assert sorted(make_sampler()) == list(range(len(MODALITIES)))


def test_batches_have_one_modality_but_for_what_is_left_over():
    kinds = [{MODALITIES[index] for index in batch} for batch in batches(make_sampler())]
    num_whole = 5 // 4 + 50 // 4 + 47 // 4
    assert all(len(kind) == 1 for kind in kinds[:num_whole])
    assert len(kinds) == num_whole + 2  # 1 + 2 + 3 samples are left over
    assert [kind.pop() for kind in kinds[:num_whole]] != sorted(MODALITIES[:num_whole])  # shuffled


def test_batches_have_about_one_length_on_request():
    def spread(order):
        return np.mean([np.ptp(LENGTHS[order[start : start + 4]]) for start in range(0, 92, 4)])

    by_chance = spread(np.random.default_rng(1).permutation(len(MODALITIES)))
    assert spread(np.array(list(make_sampler(lengths=LENGTHS)))) < by_chance / 4
    assert spread(np.array(list(make_sampler()))) > by_chance / 2


def test_batches_have_several_answers():
    """Answers of one word differ in length: sorted by it, a batch has one answer."""
    answers = np.random.default_rng(0).integers(0, 4, 400)
    num_different = {}
    for name, lengths in (("random", None), ("group_by_length", 100 + answers)):
        order = np.array(list(GroupedSampler(np.full(400, 2), lengths, 16, 0, lambda: 0)))
        num_different[name] = np.mean([len(set(answers[batch])) for batch in order.reshape(25, 16)])
    assert num_different["random"] > 3.8
    assert num_different["group_by_length"] < 1.5


def test_order_depends_on_seed_and_epoch_alone():
    np.random.seed(0)
    first = list(make_sampler())
    np.random.seed(1)
    assert list(make_sampler()) == first
    assert list(make_sampler(epoch=1)) != first
    assert list(make_sampler(seed=1)) != first


def test_epoch_is_asked_for_at_each_iteration():
    epochs = iter([0, 1])
    sampler = GroupedSampler(MODALITIES, None, BATCH_SIZE, 0, lambda: next(epochs))
    assert list(sampler) == list(make_sampler(epoch=0))
    assert list(sampler) == list(make_sampler(epoch=1))


def test_whole_batches_repeat_samples_of_the_modality():
    grouped = batches(make_sampler(whole_batches=True))
    assert all(len(batch) == BATCH_SIZE for batch in grouped)
    assert all(len({MODALITIES[index] for index in batch}) == 1 for batch in grouped)
    counts = Counter(index for batch in grouped for index in batch)
    assert set(counts) == set(range(len(MODALITIES)))
    assert sum(counts.values()) == 8 + 52 + 48


@pytest.mark.parametrize("whole_batches", [False, True])
def test_fewer_samples_than_a_batch(whole_batches):
    sampler = GroupedSampler(np.zeros(3), np.arange(3), 8, 0, lambda: 0, whole_batches=whole_batches)
    assert len(list(sampler)) == len(sampler) == (8 if whole_batches else 3)
    assert set(sampler) == {0, 1, 2}


def test_order_by_length_is_as_it_was():
    """Runs that were made with it can be made again."""
    assert list(make_sampler(lengths=LENGTHS))[:12] == FIRST_BY_LENGTH


@pytest.mark.parametrize("strategy", ["batch_rebalance", "lenght"])
def test_unknown_strategies(strategy):
    message = f"`train_sampling_strategy` \\('{strategy}'\\) must be 'random', 'group_by_length' or 'sequential'"
    with pytest.raises(ValueError, match=message):
        check_strategy(strategy)
