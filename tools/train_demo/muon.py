# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
Muon (Jordan et al., 2024) in float32: `torch.optim.Muon` works in bfloat16, which takes longer than the whole step on a CPU
without instructions for it.
"""

from collections.abc import Iterable, Iterator

import torch
from torch import nn


# Of the quintic iteration of the paper, which pushes singular values towards 1.
_A, _B, _C, _NUM_ITERATIONS = 3.4445, -4.7750, 2.0315, 5


class Muon(torch.optim.Optimizer):
    """
    Momentum whose update of each matrix has singular values near 1, scaled to the size of Adam's updates.

    Args:
        params (`Iterable[torch.Tensor]`): matrices.
        lr (`float`): learning rate.
        momentum (`float`): share of the old momentum that is kept.
        weight_decay (`float`): decoupled, times the learning rate.
    """

    def __init__(self, params: Iterable[torch.Tensor], lr: float, momentum: float = 0.95, weight_decay: float = 0.01):
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """One step with the gradients that are there."""
        for group in self.param_groups:
            by_shape: dict[torch.Size, list[torch.Tensor]] = {}
            for matrix in group["params"]:
                if matrix.grad is not None:
                    by_shape.setdefault(matrix.shape, []).append(matrix)
            for shape, matrices in by_shape.items():
                updates = orthogonalize(
                    torch.stack([self._momentum(matrix, group["momentum"]) for matrix in matrices])
                )
                scale = group["lr"] * 0.2 * max(shape) ** 0.5
                for matrix, update in zip(matrices, updates, strict=True):
                    matrix.mul_(1 - group["lr"] * group["weight_decay"]).sub_(update, alpha=scale)

    def _momentum(self, matrix: torch.Tensor, share: float) -> torch.Tensor:
        """Nesterov's."""
        state = self.state[matrix]
        average = state.setdefault("average", torch.zeros_like(matrix))
        average.lerp_(matrix.grad, 1 - share)
        return matrix.grad.lerp(average, share)


def orthogonalize(matrices: torch.Tensor) -> torch.Tensor:
    """Matrices (n, rows, columns) with the same singular vectors, and singular values near 1."""
    is_tall = matrices.shape[1] > matrices.shape[2]
    result = matrices.mT if is_tall else matrices
    result = result / (result.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(_NUM_ITERATIONS):
        gram = result @ result.mT
        result = _A * result + (_B * gram + _C * gram @ gram) @ result
    return result.mT if is_tall else result


class Optimizers:
    """
    Muon for the weights of linear layers, AdamW for everything else, with one schedule: a short rise, a plateau, and a
    fall over the last 40 % of the steps.

    Args:
        modules (`Iterable[nn.Module]`): what learns, as far as it requires gradients.
        num_steps (`int`): number of steps to come.
        learning_rate, muon_learning_rate (`float`): the highest ones.
        heads (`Iterable[nn.Module]`): linear layers that are left to AdamW.
    """

    def __init__(
        self,
        modules: Iterable[nn.Module],
        num_steps: int,
        *,
        learning_rate: float,
        muon_learning_rate: float,
        heads: Iterable[nn.Module] = (),
    ):
        whole = nn.ModuleList([*modules, *heads])
        self.parameters = [parameter for parameter in whole.parameters() if parameter.requires_grad]
        excluded = {id(parameter) for head in heads for parameter in head.parameters()}
        matrices = {id(matrix): matrix for matrix in _linear_weights(whole) if id(matrix) not in excluded}
        others = [parameter for parameter in self.parameters if id(parameter) not in matrices]
        self.optimizers: list[torch.optim.Optimizer] = [
            torch.optim.AdamW(others, lr=learning_rate, weight_decay=0.01, betas=(0.9, 0.98)),
            Muon(matrices.values(), lr=muon_learning_rate),
        ]

        def share(step: int) -> float:
            rise, fall = max(1, round(0.05 * num_steps)), max(1, 0.4 * num_steps)
            return min((step + 1) / rise, 1, max(num_steps - step, 0) / fall + 0.01)

        self.schedules = [torch.optim.lr_scheduler.LambdaLR(optimizer, share) for optimizer in self.optimizers]

    def step(self) -> None:
        """A step of all, with the gradients that are there."""
        nn.utils.clip_grad_norm_(self.parameters, 1.0)
        for optimizer, schedule in zip(self.optimizers, self.schedules, strict=True):
            optimizer.step()
            schedule.step()


def _linear_weights(module: nn.Module) -> Iterator[torch.Tensor]:
    for part in module.modules():
        if isinstance(part, nn.Linear) and part.weight.requires_grad:
            yield part.weight
