# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
import threading

import pytest
import torch
from torch import nn

from train_demo.threads import backward_in_threads, split_rows


@pytest.fixture
def network():
    torch.manual_seed(0)
    return nn.ModuleDict({"used": nn.Linear(5, 3), "unused": nn.Linear(5, 3)})


def test_gradients_are_those_of_the_whole_batch(network):
    inputs = torch.randn(7, 5)

    def judge(rows):
        return network["used"](rows).square().sum() / len(inputs), len(rows)

    whole, _ = judge(inputs)
    whole.backward()
    wanted = [parameter.grad.clone() for parameter in network["used"].parameters()]
    shards = [shard["rows"] for shard in split_rows({"rows": inputs}, 3)]
    loss, lengths = backward_in_threads(judge, shards, network.parameters())
    assert lengths == [3, 2, 2]
    torch.testing.assert_close(loss, whole.detach())
    assert not loss.requires_grad
    torch.testing.assert_close([parameter.grad for parameter in network["used"].parameters()], wanted)
    assert [parameter.grad for parameter in network["unused"].parameters()] == [None, None]


def test_shards_are_worked_on_at_once_with_a_share_of_the_threads(network):
    everyone = threading.Barrier(2)
    threads_before = torch.get_num_threads()
    seen = []

    def judge(rows):
        everyone.wait(timeout=30)  # breaks if one is done before the other begins
        seen.append(torch.get_num_threads())
        return network["used"](rows).sum(), None

    torch.set_num_threads(4)
    try:
        backward_in_threads(judge, [torch.ones(1, 5), torch.ones(2, 5)], network.parameters())
        assert seen == [2, 2]
        assert torch.get_num_threads() == 4
    finally:
        torch.set_num_threads(threads_before)


def test_an_error_in_a_thread_is_raised(network):
    def judge(rows):
        raise ValueError("no loss")

    with pytest.raises(ValueError, match="^no loss$"):
        backward_in_threads(judge, [1, 2], network.parameters())


def test_rows_are_dealt_out():
    batch = {"ids": torch.arange(5), "positions": torch.arange(3)}
    shards = split_rows(batch, 2, shared=["positions"])
    assert [shard["ids"].tolist() for shard in shards] == [[0, 2, 4], [1, 3]]
    assert all(shard["positions"] is batch["positions"] for shard in shards)
    assert len(split_rows({"ids": torch.arange(2)}, 4)) == 2
