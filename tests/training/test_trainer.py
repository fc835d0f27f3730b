# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Arguments of transformers' Trainer that this trainer follows in its own way."""

import numpy as np
import pytest
import torch

from training_data import make_trainer
from transformers_mvgpt.training import InstructionDataset


def order(trainer):
    return list(trainer._get_train_sampler())


class TestSamplingStrategy:
    @pytest.fixture
    def trainer(self, tmp_path, release, images, clips):
        trainer = make_trainer(tmp_path, release, images)
        trainer.train_dataset = InstructionDataset([str(images), str(clips)])
        trainer.train_dataset.lengths = np.arange(100, 100 + len(trainer.train_dataset))
        return trainer

    def test_sequential(self, trainer):
        trainer.args.train_sampling_strategy = "sequential"
        assert order(trainer) == list(range(len(trainer.train_dataset)))

    def test_random_and_by_length(self, trainer):
        spans = {}
        for strategy in ("random", "group_by_length"):
            trainer.args.train_sampling_strategy = strategy
            batches = np.array(order(trainer)).reshape(-1, 2)
            assert sorted(batches.flatten()) == list(range(len(trainer.train_dataset)))
            assert (np.ptp(trainer.train_dataset.modalities[batches], axis=1) == 0).all()
            spans[strategy] = np.ptp(batches, axis=1)
        assert (spans["group_by_length"] == 1).all()
        assert (spans["random"] > 1).any()

    def test_random_is_the_default_and_depends_on_the_seed(self, trainer):
        first = order(trainer)
        assert order(trainer) == first
        trainer.args.data_seed = 5
        assert order(trainer) != first

    def test_unknown(self, tmp_path, release, images):
        with pytest.raises(
            ValueError, match="`train_sampling_strategy` .'batch_rebalance'. must be 'random', 'group_by"
        ):
            make_trainer(tmp_path, release, images, train_sampling_strategy="batch_rebalance")


@pytest.mark.parametrize("from_collator", [True, False])
def test_label_smoothing(tmp_path, release, images, from_collator):
    """As computed by hand from the logits of all positions, without those of placeholders."""
    trainer = make_trainer(tmp_path, release, images, label_smoothing_factor=0.2)
    batch = dict(trainer.data_collator([trainer.train_dataset[index] for index in (0, 1)]))
    names = {"input_ids", "attention_mask", "pixel_values"}
    labels = batch["labels"]
    if not from_collator:
        # others may let the loss look at placeholders
        labels = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, -100)
        batch = {**{name: batch[name] for name in names}, "labels": labels}
        labels = labels.masked_fill(labels == trainer.model.config.image_token_id, -100)
    batch.pop("names", None)
    with torch.no_grad():
        logits = trainer.model(**{name: batch[name] for name in names}).logits.float()
        loss = trainer.compute_loss(trainer.model.eval(), dict(batch))
    total, count = 0.0, 0
    for row, ids in zip(logits.log_softmax(-1), labels, strict=True):
        for position in range(len(ids) - 1):
            if (target := int(ids[position + 1])) != -100:
                total += -0.8 * row[position, target] - 0.2 * row[position].mean()
                count += 1
    torch.testing.assert_close(loss, total / count, rtol=1e-4, atol=1e-5)
