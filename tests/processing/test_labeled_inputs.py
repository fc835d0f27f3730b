# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Labels that are put into what a processor returns."""

import copy
import pickle

import pytest
import torch

from transformers_mvgpt.processing.labeled_inputs import LabeledInputs


IDS = torch.tensor([[1, 8, 8, 2, 3], [1, 9, 4, 0, 0]])
RIGHT = torch.tensor([[1, -100, -100, 2, 3], [1, -100, 4, 0, 0]])


@pytest.fixture
def inputs():
    return LabeledInputs({"input_ids": IDS.clone()}, placeholder_ids=(8, 9))


def test_placeholders_are_left_out(inputs):
    labels = inputs["input_ids"].clone()
    inputs["labels"] = labels
    assert torch.equal(inputs["labels"], RIGHT)
    labels[:, 0] = -100  # a collator may go on with the labels that it holds
    assert torch.equal(inputs["labels"][:, 0], torch.tensor([-100, -100]))


def test_labels_that_are_the_ids_do_not_change_them(inputs):
    inputs["labels"] = inputs["input_ids"]
    assert torch.equal(inputs["labels"], RIGHT)
    assert torch.equal(inputs["input_ids"], IDS)


def test_other_values_are_kept(inputs):
    for labels in (torch.tensor([1, 0]), [[1, 8]], None):
        inputs["labels"] = labels
        assert inputs["labels"] is labels
    inputs["token_type_ids"] = IDS
    assert inputs["token_type_ids"] is IDS
    without_ids = LabeledInputs({}, placeholder_ids=(8,))
    without_ids["labels"] = IDS
    assert without_ids["labels"] is IDS


def test_copies(inputs):
    """Between processes of a DataLoader, and to another device."""
    inputs["labels"] = IDS.clone()
    for other in (copy.copy(inputs), copy.deepcopy(inputs), pickle.loads(pickle.dumps(inputs)), inputs.to("cpu")):
        assert isinstance(other, LabeledInputs)
        assert torch.equal(other["labels"], RIGHT)
    inputs["labels"] = IDS.clone()
    assert torch.equal(inputs["labels"], RIGHT)
