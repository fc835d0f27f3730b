# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
import math

import numpy as np
import pytest
import torch

from tiny_models import with_seeded_weights
from transformers_mvgpt.modeling.projector_pooled import PooledProjector


def pool(grid, size):
    """Average of adjacent cells, for which cell i of `size` begins at floor(i n / size) and ends at ceil((i + 1) n / size)."""
    side = grid.shape[0]
    edges = [(i * side // size, -(-(i + 1) * side // size)) for i in range(size)]
    return np.array([[grid[top:bottom, left:right].mean((0, 1)) for left, right in edges] for top, bottom in edges])


def project_by_the_formula(tokens, weights, grid_size):
    """ET(x) = D(x) + DWConv(D(x)) for the tokens of one grid, (N, input_size), in float64."""
    weights = {name: weight.detach().double().numpy() for name, weight in weights.items()}
    hidden = tokens.double().numpy() @ weights["linear_1.weight"].T + weights["linear_1.bias"]
    hidden = hidden * 0.5 * (1 + np.vectorize(math.erf)(hidden / math.sqrt(2)))
    hidden = hidden @ weights["linear_2.weight"].T + weights["linear_2.bias"]
    side = math.isqrt(len(tokens))
    pooled = pool(hidden.reshape(side, side, -1), grid_size)

    padded = np.pad(pooled, ((1, 1), (1, 1), (0, 0)))
    rows = []
    for row in range(grid_size):
        for column in range(grid_size):
            window = padded[row : row + 3, column : column + 3]  # (3, 3, h)
            kernel = weights["conv.weight"][:, 0].transpose(1, 2, 0)
            rows.append(pooled[row, column] + (window * kernel).sum((0, 1)) + weights["conv.bias"])
    return torch.from_numpy(np.array(rows))


@pytest.mark.parametrize(
    ("side", "grid_size"), [(14, 12), (14, 7), (4, 3), (4, 4), (5, 2), (3, 1)], ids=lambda size: str(size)
)
def test_projector_matches_the_formula(side, grid_size):
    projector = with_seeded_weights(PooledProjector(input_size=6, hidden_size=10, grid_size=grid_size))
    tokens = 3 * torch.randn(2, side * side, 6)
    rows = projector(tokens)
    assert rows.shape == (2, grid_size**2, 10)
    expected = [project_by_the_formula(grid, projector.state_dict(), grid_size) for grid in tokens]
    torch.testing.assert_close(rows.double(), torch.stack(expected), rtol=1e-5, atol=1e-5)


def test_tokens_are_read_row_by_row():
    projector = with_seeded_weights(PooledProjector(input_size=6, hidden_size=10, grid_size=2))
    tokens = torch.randn(1, 16, 6)
    changed = tokens.clone()
    changed[:, 2] += 1  # the upper right quarter
    # what the convolution mixes in does not count here
    torch.nn.init.zeros_(projector.conv.weight)
    is_changed = (projector(tokens) != projector(changed)).any(-1)
    assert is_changed.tolist() == [[False, True, False, False]]


@pytest.mark.parametrize(
    ("input_size", "hidden_size", "num_parameters"),
    [(768, 896, 1_501_696), (576, 896, 1_329_664), (768, 1536, 3_557_376), (576, 1536, 3_262_464)],
    ids=["image 0.5B", "video 0.5B", "image 1.5B", "video 1.5B"],
)
def test_number_of_parameters_of_the_published_sizes(input_size, hidden_size, num_parameters):
    with torch.device("meta"):
        projector = PooledProjector(input_size, hidden_size, grid_size=7)
    assert sum(parameter.numel() for parameter in projector.parameters()) == num_parameters
