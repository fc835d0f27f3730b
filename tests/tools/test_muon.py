# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
import pytest
import torch
from torch import nn

from train_demo.muon import Muon, Optimizers, orthogonalize


@pytest.mark.parametrize("shape", [(2, 24, 8), (1, 8, 24), (3, 16, 16)])
def test_orthogonalized_matrices_keep_their_singular_vectors(shape):
    left, _, right = torch.linalg.svd(
        torch.randn(shape, generator=torch.Generator().manual_seed(0)), full_matrices=False
    )
    values = torch.linspace(1, 5, min(shape[1:]))
    result = left.mT @ orthogonalize(left * values @ right) @ right.mT
    off_diagonal = result - torch.diag_embed(result.diagonal(dim1=1, dim2=2))
    assert off_diagonal.abs().max() < 1e-4
    assert ((0.65 < result.diagonal(dim1=1, dim2=2)) & (result.diagonal(dim1=1, dim2=2) < 1.25)).all()


def test_steps_are_those_of_torch_but_for_its_bfloat16():
    torch.manual_seed(0)
    ours = [nn.Parameter(torch.randn(12, 30)), nn.Parameter(torch.randn(30, 12)), nn.Parameter(torch.randn(12, 30))]
    theirs = [nn.Parameter(matrix.detach().clone()) for matrix in ours]
    start = [matrix.detach().clone() for matrix in ours]
    optimizers = (
        Muon(ours, lr=0.01),
        torch.optim.Muon(theirs, lr=0.01, weight_decay=0.01, momentum=0.95, adjust_lr_fn="match_rms_adamw"),
    )
    for _ in range(3):
        for one, other in zip(ours, theirs, strict=True):
            one.grad = torch.randn(one.shape)
            other.grad = one.grad.clone()
        for optimizer in optimizers:
            optimizer.step()
    for one, other, before in zip(ours, theirs, start, strict=True):
        moved, expected = one - before, other - before
        assert (moved - expected).norm() < 0.03 * expected.norm()


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(5, 4)
        self.linear = nn.Linear(4, 3)
        self.frozen = nn.Linear(3, 3).requires_grad_(False)
        self.head = nn.Linear(4, 5, bias=False)
        self.head.weight = self.embedding.weight


def test_muon_takes_the_weights_of_linear_layers_alone():
    network = Network()
    optimizers = Optimizers([network], 10, learning_rate=0.1, muon_learning_rate=0.2, heads=[network.head])
    adam, muon = optimizers.optimizers
    assert [id(p) for group in muon.param_groups for p in group["params"]] == [id(network.linear.weight)]
    others = {id(network.embedding.weight), id(network.linear.bias)}
    assert {id(p) for group in adam.param_groups for p in group["params"]} == others
    frozen = network.frozen.weight.clone()
    before = [parameter.detach().clone() for parameter in (network.linear.weight, network.linear.bias)]
    output = network.head(network.embedding(torch.tensor([1])) + network.linear(torch.ones(4)).sum())
    output.square().sum().backward()
    optimizers.step()
    assert torch.equal(network.frozen.weight, frozen)
    assert not torch.equal(network.linear.weight, before[0])
    assert not torch.equal(network.linear.bias, before[1])


def test_rates_rise_stay_and_fall():
    network = nn.Linear(2, 2)
    optimizers = Optimizers([network], 40, learning_rate=0.1, muon_learning_rate=0.2)
    rates = []
    for _ in range(40):
        rates.append([optimizer.param_groups[0]["lr"] for optimizer in optimizers.optimizers])
        network(torch.ones(2)).sum().backward()
        optimizers.step()
    adam, muon = zip(*rates, strict=True)
    assert muon == pytest.approx([2 * rate for rate in adam])
    assert adam[:3] == pytest.approx([0.05, 0.1, 0.1])
    assert adam[20] == pytest.approx(0.1)
    assert adam[32] == pytest.approx(0.051)
    assert list(adam[24:]) == sorted(adam[24:], reverse=True)
    assert adam[-1] < 0.01
